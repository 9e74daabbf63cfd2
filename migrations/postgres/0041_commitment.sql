-- Requests for storage commitment (PS3.4 annex J); see src/index/commitments.rs. A row outlives the association it came on: its
-- result is owed until the device takes it.

CREATE TABLE commitment (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id       BIGINT NOT NULL REFERENCES device (id),
    transaction_uid TEXT COLLATE "C" NOT NULL,
    called_ae       TEXT COLLATE "C" NOT NULL,       -- as whom we were asked, and answer
    instances       BIGINT NOT NULL,                 -- how many it is about
    named           TEXT COLLATE "C" NOT NULL,       -- JSON: [[SOP class, SOP instance], ...]; empty once it is over
    asked_us        BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,                 -- at sending the result
    due_us          BIGINT,                          -- when it is tried next; NULL: it is over
    ended           TEXT COLLATE "C",                -- taken, given_up
    ended_us        BIGINT,
    UNIQUE (device_id, transaction_uid)
);
CREATE INDEX commitment_due ON commitment (due_us);
