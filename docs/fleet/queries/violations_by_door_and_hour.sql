-- Violations that started, by door and hour.
SELECT date_trunc('hour', started) AS time, device || ' ' || camera AS metric, count(*) AS violations
FROM violation
WHERE $__timeFilter(started)
GROUP BY 1, 2
ORDER BY 1, 2
