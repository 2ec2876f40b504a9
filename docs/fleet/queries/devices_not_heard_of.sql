-- Devices that said nothing for five minutes (health.interval is 60 s), or whose broker says that they are gone.
SELECT site, device, status, heard, round(extract(epoch FROM now() - heard)) AS silent_seconds, health->>'version' AS version
FROM device
WHERE heard < now() - interval '5 minutes' OR status IS DISTINCT FROM 'online'
ORDER BY heard
