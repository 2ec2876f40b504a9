-- Violations that started, by door and hour.
SELECT date_trunc('hour', time) AS time, device || ' ' || camera AS metric, count(*) AS violations
FROM violation_message
WHERE event_type = 'violation_start' AND $__timeFilter(time)
GROUP BY 1, 2
ORDER BY 1, 2
