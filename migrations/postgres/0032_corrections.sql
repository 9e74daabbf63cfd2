-- A study under another patient's record than it was sent with: stored bytes stay as they are, and so does what was sent.

ALTER TABLE study ADD COLUMN sent_patient_id BIGINT REFERENCES patient (id);    -- NULL: the record it is under is what was sent

-- Every correction, and every one taken back; who and why.
CREATE TABLE study_correction (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id        BIGINT NOT NULL REFERENCES study (id),
    from_patient    BIGINT NOT NULL REFERENCES patient (id),
    to_patient      BIGINT NOT NULL REFERENCES patient (id),
    account_id      BIGINT NOT NULL REFERENCES account (id),
    at_us           BIGINT NOT NULL,
    note            TEXT COLLATE "C" NOT NULL
);
CREATE INDEX study_correction_of ON study_correction (study_id, id);
