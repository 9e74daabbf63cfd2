-- Exams that a site registers before they are made (检查登记), and devices ask the worklist for (PS3.4 annex K); see
-- src/index/orders.

CREATE TABLE exam_order (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    site_id         BIGINT NOT NULL REFERENCES site (id),
    accession       TEXT NOT NULL,
    study_uid       TEXT NOT NULL UNIQUE,            -- that its images are to have
    pid             TEXT NOT NULL,
    issuer          TEXT NOT NULL,                   -- Issuer of Patient ID; empty: the site itself
    name            TEXT NOT NULL,                   -- as people write it
    name_raw        TEXT NOT NULL,                   -- all component groups, as devices get it
    name_forms      TEXT NOT NULL,                   -- ways to write it, in small letters, each between =
    sex             TEXT NOT NULL,
    birth_date      TEXT NOT NULL,                   -- YYYYMMDD or empty
    national_id     TEXT NOT NULL,                   -- a valid one, or empty
    exam            TEXT NOT NULL,                   -- what is asked for, e.g. 胸部 CT 平扫
    body_part       TEXT NOT NULL,
    modality        TEXT NOT NULL,
    device_id       BIGINT REFERENCES device (id),   -- NULL: any device of the site
    start_date      TEXT NOT NULL,                   -- YYYYMMDD and HHMMSS by the center's clock
    start_time      TEXT NOT NULL,
    question        TEXT NOT NULL,
    urgency         TEXT NOT NULL,
    requester       TEXT NOT NULL,                   -- the doctor who asks for it
    performer       TEXT NOT NULL,                   -- the one who is to make it
    performer_forms TEXT NOT NULL,
    state           TEXT NOT NULL,
    version         BIGINT NOT NULL,
    study_id        BIGINT REFERENCES study (id),    -- that it became
    registered_us   BIGINT NOT NULL,
    registered_by   BIGINT NOT NULL REFERENCES account (id),
    started_us      BIGINT,
    done_us         BIGINT,
    cancelled_us    BIGINT,
    UNIQUE (site_id, accession)
);
CREATE INDEX exam_order_day ON exam_order (site_id, start_date);
CREATE INDEX exam_order_study ON exam_order (study_id);

-- The orders that a performed step is of, as JSON.
ALTER TABLE performed_step ADD COLUMN orders TEXT NOT NULL DEFAULT '[]';
