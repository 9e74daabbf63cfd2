-- The twin of migrations/sqlite/0001: the same tables and columns in PostgreSQL's types.

-- Sites, devices, people ------------------------------------------------------------------------------------------

CREATE TABLE site (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        TEXT COLLATE "C" NOT NULL UNIQUE,
    name        TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,                       -- county, township, community
    created_us  BIGINT NOT NULL,
    removed_us  BIGINT
);

CREATE TABLE device (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ae_title    TEXT COLLATE "C" NOT NULL,
    site_id     BIGINT NOT NULL REFERENCES site (id),
    modality    TEXT COLLATE "C" NOT NULL,
    network     TEXT COLLATE "C",                                -- CIDR the association must come from; NULL: any
    created_us  BIGINT NOT NULL,
    removed_us  BIGINT
);
CREATE INDEX device_ae ON device (ae_title);

CREATE TABLE account (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login           TEXT COLLATE "C" NOT NULL UNIQUE,
    name            TEXT COLLATE "C" NOT NULL,
    title           TEXT COLLATE "C" NOT NULL,
    role            TEXT COLLATE "C" NOT NULL,
    site_id         BIGINT REFERENCES site (id),     -- operators and clinicians belong to one
    modalities      TEXT COLLATE "C" NOT NULL,                   -- comma list a specialist may read; '*' all
    password_hash   TEXT COLLATE "C" NOT NULL,                   -- argon2id, PHC string
    created_us      BIGINT NOT NULL,
    removed_us      BIGINT
);

CREATE TABLE session (
    token_hash  BYTEA PRIMARY KEY,                    -- SHA-256 of the cookie's secret
    account_id  BIGINT NOT NULL REFERENCES account (id),
    csrf        TEXT COLLATE "C" NOT NULL,
    created_us  BIGINT NOT NULL,
    seen_us     BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account_id);

CREATE TABLE sign_in_attempt (
    login       TEXT COLLATE "C" NOT NULL,
    address     TEXT COLLATE "C" NOT NULL,
    at_us       BIGINT NOT NULL,
    ok          BIGINT NOT NULL
);
CREATE INDEX sign_in_attempt_login ON sign_in_attempt (login, at_us);
CREATE INDEX sign_in_attempt_address ON sign_in_attempt (address, at_us);

CREATE TABLE token (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL UNIQUE,
    hash        BYTEA NOT NULL UNIQUE,                -- SHA-256 of the secret
    role        TEXT COLLATE "C" NOT NULL,
    site_id     BIGINT REFERENCES site (id),
    created_us  BIGINT NOT NULL,
    removed_us  BIGINT
);

-- Event log -------------------------------------------------------------------------------------------------------
-- A transaction inserts its events without seq; the sequencer numbers and chains them. Readers see chained rows only.

CREATE TABLE event (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seq         BIGINT UNIQUE,
    kind        TEXT COLLATE "C" NOT NULL,
    at_us       BIGINT NOT NULL,
    site_id     BIGINT,
    study_id    BIGINT,
    case_id     BIGINT,
    report_id   BIGINT,
    account_id  BIGINT,                              -- who did it
    subject_id  BIGINT,                              -- the account it was done to, or given to
    detail      TEXT COLLATE "C" NOT NULL,                       -- JSON of ids and figures, never names or texts
    hash        BYTEA                                 -- SHA-256 over the previous hash and this row's fields
);
CREATE INDEX event_unchained ON event (id) WHERE seq IS NULL;
CREATE INDEX event_case ON event (case_id, seq);
CREATE INDEX event_site ON event (site_id, seq);

-- Patients, studies, series, instances ----------------------------------------------------------------------------

CREATE TABLE patient (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id     BIGINT NOT NULL REFERENCES site (id),
    issuer      TEXT COLLATE "C" NOT NULL,                       -- Issuer of Patient ID; empty: the site itself
    pid         TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,                       -- as people write it
    name_raw    TEXT COLLATE "C" NOT NULL,                       -- all component groups, decoded
    sex         TEXT COLLATE "C" NOT NULL,
    birth_date  TEXT COLLATE "C" NOT NULL,                       -- YYYYMMDD or empty
    -- One row for each set of demographics as sent: a pid used twice never renames another patient.
    UNIQUE (site_id, issuer, pid, name_raw, sex, birth_date)
);
CREATE INDEX patient_name ON patient (name);

CREATE TABLE study (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid             TEXT COLLATE "C" NOT NULL UNIQUE,
    patient_id      BIGINT NOT NULL REFERENCES patient (id),
    site_id         BIGINT NOT NULL REFERENCES site (id),
    device_id       BIGINT NOT NULL REFERENCES device (id),
    accession       TEXT COLLATE "C" NOT NULL,
    study_id        TEXT COLLATE "C" NOT NULL,                   -- Study ID (0020,0010)
    study_date      TEXT COLLATE "C" NOT NULL,
    study_time      TEXT COLLATE "C" NOT NULL,
    exam_us         BIGINT NOT NULL,
    description     TEXT COLLATE "C" NOT NULL,
    modality        TEXT COLLATE "C" NOT NULL,                   -- of the first series that can be read
    modalities      TEXT COLLATE "C" NOT NULL,                   -- comma list of all
    body_part       TEXT COLLATE "C" NOT NULL,
    referring       TEXT COLLATE "C" NOT NULL,
    age             TEXT COLLATE "C" NOT NULL,                   -- Patient's Age as sent
    instances       BIGINT NOT NULL,
    bytes           BIGINT NOT NULL,
    quarantined     BIGINT NOT NULL,
    first_us        BIGINT NOT NULL,
    last_us         BIGINT NOT NULL                  -- when the last instance became durable
);
CREATE INDEX study_site ON study (site_id, exam_us);
CREATE INDEX study_patient ON study (patient_id);
CREATE INDEX study_date ON study (study_date);
CREATE INDEX study_accession ON study (accession);

CREATE TABLE series (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id        BIGINT NOT NULL REFERENCES study (id),
    uid             TEXT COLLATE "C" NOT NULL,
    modality        TEXT COLLATE "C" NOT NULL,
    number          BIGINT NOT NULL,
    description     TEXT COLLATE "C" NOT NULL,
    body_part       TEXT COLLATE "C" NOT NULL,
    instances       BIGINT NOT NULL,
    last_us         BIGINT NOT NULL,
    UNIQUE (study_id, uid)
);
CREATE INDEX series_uid ON series (uid);

CREATE TABLE pack (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_id   BIGINT REFERENCES series (id),       -- NULL: from quarantine
    key         TEXT COLLATE "C" NOT NULL UNIQUE,
    bytes       BIGINT NOT NULL,
    entries     BIGINT NOT NULL,
    sha256      BYTEA NOT NULL,
    created_us  BIGINT NOT NULL
);

CREATE TABLE instance (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_id       BIGINT NOT NULL REFERENCES series (id),
    sop_uid         TEXT COLLATE "C" NOT NULL,
    sop_hash        BIGINT NOT NULL,                 -- first 8 bytes of SHA-256(sop_uid)
    sop_class       TEXT COLLATE "C" NOT NULL,
    transfer_syntax TEXT COLLATE "C" NOT NULL,
    number          BIGINT NOT NULL,
    frames          BIGINT NOT NULL,                 -- 0: no image
    device_id       BIGINT NOT NULL REFERENCES device (id),
    calling_ae      TEXT COLLATE "C" NOT NULL,
    received_us     BIGINT NOT NULL,
    bytes           BIGINT NOT NULL,                 -- of the Part-10 file
    sha256          BYTEA NOT NULL,                   -- of the dataset
    crc32           BIGINT NOT NULL,                 -- of the Part-10 file
    dataset_offset  BIGINT NOT NULL,                 -- of the dataset within the file
    node            TEXT COLLATE "C" NOT NULL,                   -- where it came in, and lies until it is sealed
    segment         BIGINT NOT NULL,
    position        BIGINT NOT NULL,                 -- in the spool's order
    pack_id         BIGINT REFERENCES pack (id),     -- pack location, NULL while in the spool
    file_offset     BIGINT NOT NULL,                 -- of the Part-10 file within segment or pack
    attrs           TEXT COLLATE "C",                            -- ImageAttrs as JSON; NULL: no image
    delivery        TEXT COLLATE "C" NOT NULL,
    delivery_reason TEXT COLLATE "C" NOT NULL,
    UNIQUE (series_id, sop_uid)
);
CREATE INDEX instance_sop ON instance (sop_hash);
CREATE INDEX instance_spool ON instance (node, segment, position) WHERE pack_id IS NULL;
CREATE INDEX instance_unsealed ON instance (series_id) WHERE pack_id IS NULL;
CREATE INDEX instance_pending ON instance (id) WHERE delivery = 'pending';

-- DICOM JSON of an instance, deflated: metadata is answered from here, not from files.
CREATE TABLE instance_metadata (
    instance_id BIGINT PRIMARY KEY REFERENCES instance (id),
    json        BYTEA NOT NULL
);

-- The delivery form of an instance: one derived object, frames back to back.
CREATE TABLE delivery_object (
    instance_id BIGINT PRIMARY KEY REFERENCES instance (id),
    key         TEXT COLLATE "C" NOT NULL,
    bytes       BIGINT NOT NULL,
    frames      TEXT COLLATE "C" NOT NULL,                       -- JSON: [[offset, length, [resolution offsets]], ...]
    created_us  BIGINT NOT NULL
);

CREATE TABLE quarantine (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us     BIGINT NOT NULL,
    device_id       BIGINT NOT NULL REFERENCES device (id),
    site_id         BIGINT NOT NULL REFERENCES site (id),
    study_id        BIGINT REFERENCES study (id),    -- where it would have belonged, if that much was readable
    calling_ae      TEXT COLLATE "C" NOT NULL,
    sop_uid         TEXT COLLATE "C" NOT NULL,
    sop_class       TEXT COLLATE "C" NOT NULL,
    transfer_syntax TEXT COLLATE "C" NOT NULL,
    reason          TEXT COLLATE "C" NOT NULL,                   -- stable code
    detail          TEXT COLLATE "C" NOT NULL,
    bytes           BIGINT NOT NULL,
    sha256          BYTEA NOT NULL,                   -- of the dataset
    crc32           BIGINT NOT NULL,
    dataset_offset  BIGINT NOT NULL,
    node            TEXT COLLATE "C" NOT NULL,
    segment         BIGINT NOT NULL,
    position        BIGINT NOT NULL,
    pack_id         BIGINT REFERENCES pack (id),     -- pack location, NULL while in the spool
    file_offset     BIGINT NOT NULL,                 -- of the Part-10 file within segment or pack
    UNIQUE (node, segment, position)
);
CREATE INDEX quarantine_unsealed ON quarantine (id) WHERE pack_id IS NULL;

-- How far the indexer of each node's spool has come.
CREATE TABLE spool_cursor (
    node        TEXT COLLATE "C" PRIMARY KEY,
    position    BIGINT NOT NULL
);

-- Cases, duty, decisions ------------------------------------------------------------------------------------------

CREATE TABLE case_ (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id        BIGINT NOT NULL UNIQUE REFERENCES study (id),
    site_id         BIGINT NOT NULL REFERENCES site (id),
    modality        TEXT COLLATE "C" NOT NULL,
    body_part       TEXT COLLATE "C" NOT NULL,
    urgency         TEXT COLLATE "C" NOT NULL,
    question        TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL,
    version         BIGINT NOT NULL,
    due_us          BIGINT,
    assignee_id     BIGINT REFERENCES account (id),  -- holder of the lease, then the writer
    reviewer_id     BIGINT REFERENCES account (id),
    lease           TEXT COLLATE "C",                            -- fencing token of the holder
    lease_until_us  BIGINT,
    arriving_us     BIGINT,
    complete_us     BIGINT,
    queued_us       BIGINT,
    assigned_us     BIGINT,
    opened_us       BIGINT,
    drafted_us      BIGINT,
    submitted_us    BIGINT,
    returned_us     BIGINT,
    signed_us       BIGINT,
    delivered_us    BIGINT,
    read_us         BIGINT
);
CREATE INDEX case_state ON case_ (state, due_us);
CREATE INDEX case_site ON case_ (site_id, arriving_us);
CREATE INDEX case_assignee ON case_ (assignee_id, state);

CREATE TABLE duty (
    account_id  BIGINT PRIMARY KEY REFERENCES account (id),
    since_us    BIGINT NOT NULL,
    seen_us     BIGINT NOT NULL                      -- last sign of life of the specialist's page
);

CREATE TABLE decision (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id     BIGINT NOT NULL REFERENCES case_ (id),
    at_us       BIGINT NOT NULL,
    account_id  BIGINT,
    reason      TEXT COLLATE "C" NOT NULL,
    inputs      TEXT COLLATE "C" NOT NULL,                       -- JSON: what decide() saw, so that it can be replayed
    passed_over TEXT COLLATE "C" NOT NULL                        -- JSON: [[account, reason], ...]
);
CREATE INDEX decision_case ON decision (case_id, at_us);

-- Reports ---------------------------------------------------------------------------------------------------------

CREATE TABLE report (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id         BIGINT NOT NULL REFERENCES case_ (id),
    version         BIGINT NOT NULL,                 -- 1, then amendments
    state           TEXT COLLATE "C" NOT NULL,
    template        TEXT COLLATE "C" NOT NULL,
    findings        TEXT COLLATE "C" NOT NULL,
    impression      TEXT COLLATE "C" NOT NULL,
    note            TEXT COLLATE "C" NOT NULL,
    rev             BIGINT NOT NULL,
    saved_us        BIGINT NOT NULL,
    signatures_needed BIGINT NOT NULL,
    number          TEXT COLLATE "C" UNIQUE,
    verify_code     TEXT COLLATE "C",
    content         BYTEA,                            -- canonical bytes that were sealed
    content_sha256  BYTEA,
    signed_us       BIGINT,
    pdf_key         TEXT COLLATE "C",
    pdf_sha256      BYTEA,
    UNIQUE (case_id, version)
);

CREATE TABLE report_signature (
    report_id       BIGINT NOT NULL REFERENCES report (id),
    role            TEXT COLLATE "C" NOT NULL,                   -- writer, reviewer
    account_id      BIGINT NOT NULL REFERENCES account (id),
    name            TEXT COLLATE "C" NOT NULL,                   -- as it stood at signing
    title           TEXT COLLATE "C" NOT NULL,
    at_us           BIGINT NOT NULL,
    content_sha256  BYTEA NOT NULL,
    signature       BYTEA NOT NULL,
    PRIMARY KEY (report_id, role)
);
