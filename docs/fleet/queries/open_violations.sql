-- Who is in view without a mask now.
SELECT time, site, device, camera, round(extract(epoch FROM now() - time)) AS seconds
FROM violation_message AS started
WHERE event_type = 'violation_start' AND time > now() - interval '1 day'
    AND NOT EXISTS (
        SELECT FROM violation_message AS ended
        WHERE ended.violation = started.violation AND ended.event_type = 'violation_end'
    )
ORDER BY time
