-- Devices that said nothing for eleven minutes, two of the longest health.interval that this page advises and a bit,
-- or whose broker says that they are gone.
SELECT site, device, status, heard, round(extract(epoch FROM now() - heard)) AS silent_seconds, health->>'version' AS version
FROM device
WHERE heard < now() - interval '11 minutes' OR status IS DISTINCT FROM 'online'
ORDER BY heard
