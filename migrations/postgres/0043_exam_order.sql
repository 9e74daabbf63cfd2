-- Exams that a site registers before they are made (检查登记), and devices ask the worklist for (PS3.4 annex K); see
-- src/index/orders.

CREATE TABLE exam_order (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id         BIGINT NOT NULL REFERENCES site (id),
    accession       TEXT COLLATE "C" NOT NULL,
    study_uid       TEXT COLLATE "C" NOT NULL UNIQUE, -- that its images are to have
    pid             TEXT COLLATE "C" NOT NULL,
    issuer          TEXT COLLATE "C" NOT NULL,       -- Issuer of Patient ID; empty: the site itself
    name            TEXT COLLATE "C" NOT NULL,       -- as people write it
    name_raw        TEXT COLLATE "C" NOT NULL,       -- all component groups, as devices get it
    name_forms      TEXT COLLATE "C" NOT NULL,       -- ways to write it, in small letters, each between =
    sex             TEXT COLLATE "C" NOT NULL,
    birth_date      TEXT COLLATE "C" NOT NULL,       -- YYYYMMDD or empty
    national_id     TEXT COLLATE "C" NOT NULL,       -- a valid one, or empty
    exam            TEXT COLLATE "C" NOT NULL,       -- what is asked for, e.g. 胸部 CT 平扫
    body_part       TEXT COLLATE "C" NOT NULL,
    modality        TEXT COLLATE "C" NOT NULL,
    device_id       BIGINT REFERENCES device (id),   -- NULL: any device of the site
    start_date      TEXT COLLATE "C" NOT NULL,       -- YYYYMMDD and HHMMSS by the center's clock
    start_time      TEXT COLLATE "C" NOT NULL,
    question        TEXT COLLATE "C" NOT NULL,
    urgency         TEXT COLLATE "C" NOT NULL,
    requester       TEXT COLLATE "C" NOT NULL,       -- the doctor who asks for it
    performer       TEXT COLLATE "C" NOT NULL,       -- the one who is to make it
    performer_forms TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL,
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
ALTER TABLE performed_step ADD COLUMN orders TEXT COLLATE "C" NOT NULL DEFAULT '[]';
