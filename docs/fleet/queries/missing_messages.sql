-- Messages that a device gave a number and nobody got: what its health counts as dropped or as dead letters, or is on its way.
SELECT device, stream, max(sequence) - min(sequence) + 1 - count(*) AS missing, max(received) AS newest
FROM violation_message
GROUP BY 1, 2
HAVING max(sequence) - min(sequence) + 1 > count(*)
ORDER BY 3 DESC
