-- What a fleet of cameras reports, in PostgreSQL 14 or later: psql -v ON_ERROR_STOP=1 -f schema.sql DATABASE
-- It may be run again; nothing that is there is lost.
BEGIN;

-- Each message of a violation once, however often it was delivered.
CREATE TABLE IF NOT EXISTS violation_message (
    device text NOT NULL,
    stream uuid NOT NULL,
    sequence bigint NOT NULL,
    site text NOT NULL,                 -- the first level of the topic: mqtt.prefix
    camera text NOT NULL,
    event_type text NOT NULL,
    violation uuid NOT NULL,
    time timestamptz NOT NULL,          -- by the device's clock
    clock_synchronized boolean NOT NULL,
    probability real NOT NULL,
    duration_s double precision,        -- of an end
    reason text,                        -- likewise
    payload jsonb NOT NULL,
    received timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (device, stream, sequence)
);
CREATE INDEX IF NOT EXISTS violation_message_time ON violation_message USING brin (time);
CREATE INDEX IF NOT EXISTS violation_message_violation ON violation_message (violation);

-- One row a violation; ended is null while it is open. A device that cannot know that it told an end may tell it again.
CREATE OR REPLACE VIEW violation AS
SELECT violation, min(site) AS site, min(device) AS device, min(camera) AS camera,
       min(time) FILTER (WHERE event_type = 'violation_start') AS started,
       min(time) FILTER (WHERE event_type = 'violation_end') AS ended,
       max(duration_s) AS duration_s,
       min(reason) AS reason
FROM violation_message GROUP BY violation;

-- Who was in view, at each change.
CREATE TABLE IF NOT EXISTS people (
    site text NOT NULL,
    device text NOT NULL,
    camera text NOT NULL,
    received timestamptz NOT NULL DEFAULT clock_timestamp(),
    mask integer NOT NULL,
    no_mask integer NOT NULL,
    undetermined integer NOT NULL
);
CREATE INDEX IF NOT EXISTS people_camera ON people (device, camera, received);

-- The newest of each device: what it says of itself, and when it was heard of last, by whatever message.
CREATE TABLE IF NOT EXISTS device (
    site text NOT NULL,
    device text NOT NULL,
    heard timestamptz NOT NULL,
    status text,
    health jsonb,
    PRIMARY KEY (site, device)
);

-- What is no message of ours, or of a version that this does not know.
CREATE TABLE IF NOT EXISTS unreadable (
    topic text NOT NULL,
    payload bytea NOT NULL,
    fault text NOT NULL,
    received timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Keeps one message; never fails because of what is in it. What is old, as the broker retained it or delivers it once
-- more, is no sign of life.
CREATE OR REPLACE FUNCTION keep(topic text, payload bytea, is_old boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    levels text[] := string_to_array(topic, '/');
    words text;
    object jsonb;
BEGIN
    words := convert_from(payload, 'UTF8');
    IF levels[3] = 'status' AND cardinality(levels) = 3 THEN
        INSERT INTO device AS known (site, device, heard, status)
        VALUES (levels[1], levels[2], CASE WHEN is_old OR words = 'offline' THEN to_timestamp(0) ELSE clock_timestamp() END, words)
        ON CONFLICT (site, device) DO UPDATE
        -- A last will is the broker's word, not the device's.
        SET status = words, heard = CASE WHEN is_old OR words = 'offline' THEN known.heard ELSE clock_timestamp() END;
        RETURN;
    END IF;
    object := words::jsonb;
    IF levels[3] = 'health' AND cardinality(levels) = 3 THEN
        INSERT INTO device AS known (site, device, heard, health)
        VALUES (levels[1], levels[2], 
                -- A clock may be ahead.
                CASE WHEN is_old THEN least((object->>'time')::timestamptz, clock_timestamp()) ELSE clock_timestamp() END, object)
        ON CONFLICT (site, device) DO UPDATE
        SET health = object, heard = greatest(known.heard, excluded.heard),
            status = CASE WHEN is_old THEN known.status ELSE 'online' END
        -- A clock may be set back, so what is not old counts whatever its time is.
        WHERE NOT is_old OR known.health IS NULL
            OR (known.health->>'time')::timestamptz < (object->>'time')::timestamptz;
    ELSIF levels[4] = 'people' AND cardinality(levels) = 4 THEN
        INSERT INTO people (site, device, camera, mask, no_mask, undetermined)
        SELECT levels[1], levels[2], levels[3],
               (object->>'mask')::integer, (object->>'no_mask')::integer, (object->>'undetermined')::integer
        WHERE NOT is_old;
    ELSIF object->>'schema' = 'facemask-edge/violation/1' THEN
        -- Access rules are about topics: nobody may report for another one.
        IF (object->>'device', object->>'camera') IS DISTINCT FROM (levels[2], levels[3])
            OR NOT isfinite((object->>'time')::timestamptz) THEN
            RAISE 'not of this device and camera, or of no time';
        END IF;
        INSERT INTO violation_message
        SELECT object->>'device', (object->>'stream')::uuid, (object->>'sequence')::bigint, levels[1], object->>'camera',
               object->>'event_type', (object->>'id')::uuid, (object->>'time')::timestamptz,
               (object->>'clock_synchronized')::boolean, (object->>'probability')::real,
               (object->>'duration_s')::double precision, object->>'reason', object
        ON CONFLICT DO NOTHING;
        INSERT INTO device AS known (site, device, heard)
        VALUES (levels[1], levels[2], CASE WHEN is_old THEN to_timestamp(0) ELSE clock_timestamp() END)
        ON CONFLICT (site, device) DO UPDATE SET heard = clock_timestamp() WHERE NOT is_old;
    ELSE
        RAISE 'neither a violation nor anything else that is kept';
    END IF;
EXCEPTION WHEN data_exception OR not_null_violation OR raise_exception OR program_limit_exceeded THEN
    INSERT INTO unreadable (topic, payload, fault) VALUES (topic, payload, SQLERRM);
END $$;

COMMIT;
