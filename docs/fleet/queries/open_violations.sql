-- Who is in view without a mask now.
SELECT started AS time, site, device, camera, round(extract(epoch FROM now() - started)) AS seconds
FROM violation
WHERE ended IS NULL AND started > now() - interval '1 day'
ORDER BY started
