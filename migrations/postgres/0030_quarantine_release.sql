-- What a person decided about an object in quarantine. Its row stays, whatever was decided.

ALTER TABLE quarantine ADD COLUMN settled_us BIGINT;    -- when somebody decided; NULL: nobody has yet
ALTER TABLE quarantine ADD COLUMN instance_id BIGINT;   -- the instance it became: its bytes are that row's now
CREATE INDEX quarantine_sop ON quarantine (sop_uid);
CREATE INDEX quarantine_open ON quarantine (id) WHERE settled_us IS NULL;

-- Who decided what, and why in their own words: the event log holds no texts.
CREATE TABLE quarantine_act (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    quarantine_id   BIGINT NOT NULL REFERENCES quarantine (id),
    at_us           BIGINT NOT NULL,
    account_id      BIGINT NOT NULL REFERENCES account (id),
    act             TEXT COLLATE "C" NOT NULL,
    note            TEXT COLLATE "C" NOT NULL
);
CREATE INDEX quarantine_act_of ON quarantine_act (quarantine_id, id);
