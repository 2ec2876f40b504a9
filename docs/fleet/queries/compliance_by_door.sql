-- Of the time that people were in view and decided about, the share in which they wore a mask, by door.
WITH stay AS (
    SELECT device, camera, mask, no_mask,
           extract(epoch FROM least(coalesce(lead(received) OVER door, received), received + interval '10 minutes')
                              - received) AS seconds
    FROM people
    WHERE $__timeFilter(received)
    WINDOW door AS (PARTITION BY site, device, camera ORDER BY received)
)
SELECT device || ' ' || camera AS door,
       sum(mask * seconds) / nullif(sum((mask + no_mask) * seconds), 0) AS compliance,
       round(sum((mask + no_mask) * seconds)) AS person_seconds
FROM stay
GROUP BY 1
HAVING sum((mask + no_mask) * seconds) > 0
ORDER BY 2
