-- Times are UTC microseconds; enums are the words of yunying-wire; JSON is text. The PostgreSQL twin differs in
-- types only (identity columns, BYTEA, COLLATE "C").

-- Sites, devices, people ------------------------------------------------------------------------------------------

CREATE TABLE site (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    code        TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,                       -- county, township, community
    created_us  BIGINT NOT NULL,
    removed_us  BIGINT
);

CREATE TABLE device (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    ae_title    TEXT NOT NULL,
    site_id     BIGINT NOT NULL REFERENCES site (id),
    modality    TEXT NOT NULL,
    network     TEXT,                                -- CIDR the association must come from; NULL: any
    created_us  BIGINT NOT NULL,
    removed_us  BIGINT
);
CREATE INDEX device_ae ON device (ae_title);

CREATE TABLE account (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    login           TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    title           TEXT NOT NULL,
    role            TEXT NOT NULL,
    site_id         BIGINT REFERENCES site (id),     -- operators and clinicians belong to one
    modalities      TEXT NOT NULL,                   -- comma list a specialist may read; '*' all
    password_hash   TEXT NOT NULL,                   -- argon2id, PHC string
    created_us      BIGINT NOT NULL,
    removed_us      BIGINT
);

CREATE TABLE session (
    token_hash  BLOB PRIMARY KEY,                    -- SHA-256 of the cookie's secret
    account_id  BIGINT NOT NULL REFERENCES account (id),
    csrf        TEXT NOT NULL,
    created_us  BIGINT NOT NULL,
    seen_us     BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account_id);

CREATE TABLE sign_in_attempt (
    login       TEXT NOT NULL,
    address     TEXT NOT NULL,
    at_us       BIGINT NOT NULL,
    ok          BIGINT NOT NULL
);
CREATE INDEX sign_in_attempt_login ON sign_in_attempt (login, at_us);
CREATE INDEX sign_in_attempt_address ON sign_in_attempt (address, at_us);

CREATE TABLE token (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    hash        BLOB NOT NULL UNIQUE,                -- SHA-256 of the secret
    role        TEXT NOT NULL,
    site_id     BIGINT REFERENCES site (id),
    created_us  BIGINT NOT NULL,
    removed_us  BIGINT
);

-- Event log -------------------------------------------------------------------------------------------------------
-- A transaction inserts its events without seq; the sequencer numbers and chains them. Readers see chained rows only.

CREATE TABLE event (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    seq         BIGINT UNIQUE,
    kind        TEXT NOT NULL,
    at_us       BIGINT NOT NULL,
    site_id     BIGINT,
    study_id    BIGINT,
    case_id     BIGINT,
    report_id   BIGINT,
    account_id  BIGINT,                              -- who did it
    subject_id  BIGINT,                              -- the account it was done to, or given to
    detail      TEXT NOT NULL,                       -- JSON of ids and figures, never names or texts
    hash        BLOB                                 -- SHA-256 over the previous hash and this row's fields
);
CREATE INDEX event_unchained ON event (id) WHERE seq IS NULL;
CREATE INDEX event_case ON event (case_id, seq);
CREATE INDEX event_site ON event (site_id, seq);

-- Patients, studies, series, instances ----------------------------------------------------------------------------

CREATE TABLE patient (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    site_id     BIGINT NOT NULL REFERENCES site (id),
    issuer      TEXT NOT NULL,                       -- Issuer of Patient ID; empty: the site itself
    pid         TEXT NOT NULL,
    name        TEXT NOT NULL,                       -- as people write it
    name_raw    TEXT NOT NULL,                       -- all component groups, decoded
    sex         TEXT NOT NULL,
    birth_date  TEXT NOT NULL,                       -- YYYYMMDD or empty
    -- One row for each set of demographics as sent: a pid used twice never renames another patient.
    UNIQUE (site_id, issuer, pid, name_raw, sex, birth_date)
);
CREATE INDEX patient_name ON patient (name);

CREATE TABLE study (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uid             TEXT NOT NULL UNIQUE,
    patient_id      BIGINT NOT NULL REFERENCES patient (id),
    site_id         BIGINT NOT NULL REFERENCES site (id),
    device_id       BIGINT NOT NULL REFERENCES device (id),
    accession       TEXT NOT NULL,
    study_id        TEXT NOT NULL,                   -- Study ID (0020,0010)
    study_date      TEXT NOT NULL,
    study_time      TEXT NOT NULL,
    exam_us         BIGINT NOT NULL,
    description     TEXT NOT NULL,
    modality        TEXT NOT NULL,                   -- of the first series that can be read
    modalities      TEXT NOT NULL,                   -- comma list of all
    body_part       TEXT NOT NULL,
    referring       TEXT NOT NULL,
    age             TEXT NOT NULL,                   -- Patient's Age as sent
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
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    study_id        BIGINT NOT NULL REFERENCES study (id),
    uid             TEXT NOT NULL,
    modality        TEXT NOT NULL,
    number          BIGINT NOT NULL,
    description     TEXT NOT NULL,
    body_part       TEXT NOT NULL,
    instances       BIGINT NOT NULL,
    last_us         BIGINT NOT NULL,
    UNIQUE (study_id, uid)
);
CREATE INDEX series_uid ON series (uid);

CREATE TABLE pack (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    series_id   BIGINT REFERENCES series (id),       -- NULL: from quarantine
    key         TEXT NOT NULL UNIQUE,
    bytes       BIGINT NOT NULL,
    entries     BIGINT NOT NULL,
    sha256      BLOB NOT NULL,
    created_us  BIGINT NOT NULL
);

CREATE TABLE instance (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    series_id       BIGINT NOT NULL REFERENCES series (id),
    sop_uid         TEXT NOT NULL,
    sop_hash        BIGINT NOT NULL,                 -- first 8 bytes of SHA-256(sop_uid)
    sop_class       TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    number          BIGINT NOT NULL,
    frames          BIGINT NOT NULL,                 -- 0: no image
    device_id       BIGINT NOT NULL REFERENCES device (id),
    calling_ae      TEXT NOT NULL,
    received_us     BIGINT NOT NULL,
    bytes           BIGINT NOT NULL,                 -- of the Part-10 file
    sha256          BLOB NOT NULL,                   -- of the dataset
    crc32           BIGINT NOT NULL,                 -- of the Part-10 file
    dataset_offset  BIGINT NOT NULL,                 -- of the dataset within the file
    node            TEXT NOT NULL,                   -- where it came in, and lies until it is sealed
    segment         BIGINT NOT NULL,
    position        BIGINT NOT NULL,                 -- in the spool's order
    pack_id         BIGINT REFERENCES pack (id),     -- pack location, NULL while in the spool
    file_offset     BIGINT NOT NULL,                 -- of the Part-10 file within segment or pack
    attrs           TEXT,                            -- ImageAttrs as JSON; NULL: no image
    delivery        TEXT NOT NULL,
    delivery_reason TEXT NOT NULL,
    UNIQUE (series_id, sop_uid)
);
CREATE INDEX instance_sop ON instance (sop_hash);
CREATE INDEX instance_spool ON instance (node, segment, position) WHERE pack_id IS NULL;
CREATE INDEX instance_unsealed ON instance (series_id) WHERE pack_id IS NULL;
CREATE INDEX instance_pending ON instance (id) WHERE delivery = 'pending';

-- DICOM JSON of an instance, deflated: metadata is answered from here, not from files.
CREATE TABLE instance_metadata (
    instance_id BIGINT PRIMARY KEY REFERENCES instance (id),
    json        BLOB NOT NULL
);

-- The delivery form of an instance: one derived object, frames back to back.
CREATE TABLE delivery_object (
    instance_id BIGINT PRIMARY KEY REFERENCES instance (id),
    key         TEXT NOT NULL,
    bytes       BIGINT NOT NULL,
    frames      TEXT NOT NULL,                       -- JSON: [[offset, length, [resolution offsets]], ...]
    created_us  BIGINT NOT NULL
);

CREATE TABLE quarantine (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us     BIGINT NOT NULL,
    device_id       BIGINT NOT NULL REFERENCES device (id),
    site_id         BIGINT NOT NULL REFERENCES site (id),
    study_id        BIGINT REFERENCES study (id),    -- where it would have belonged, if that much was readable
    calling_ae      TEXT NOT NULL,
    sop_uid         TEXT NOT NULL,
    sop_class       TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    reason          TEXT NOT NULL,                   -- stable code
    detail          TEXT NOT NULL,
    bytes           BIGINT NOT NULL,
    sha256          BLOB NOT NULL,                   -- of the dataset
    crc32           BIGINT NOT NULL,
    dataset_offset  BIGINT NOT NULL,
    node            TEXT NOT NULL,
    segment         BIGINT NOT NULL,
    position        BIGINT NOT NULL,
    pack_id         BIGINT REFERENCES pack (id),     -- pack location, NULL while in the spool
    file_offset     BIGINT NOT NULL,                 -- of the Part-10 file within segment or pack
    UNIQUE (node, segment, position)
);
CREATE INDEX quarantine_unsealed ON quarantine (id) WHERE pack_id IS NULL;

-- How far the indexer of each node's spool has come.
CREATE TABLE spool_cursor (
    node        TEXT PRIMARY KEY,
    position    BIGINT NOT NULL
);

-- Cases, duty, decisions ------------------------------------------------------------------------------------------

CREATE TABLE case_ (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    study_id        BIGINT NOT NULL UNIQUE REFERENCES study (id),
    site_id         BIGINT NOT NULL REFERENCES site (id),
    modality        TEXT NOT NULL,
    body_part       TEXT NOT NULL,
    urgency         TEXT NOT NULL,
    question        TEXT NOT NULL,
    state           TEXT NOT NULL,
    version         BIGINT NOT NULL,
    due_us          BIGINT,
    assignee_id     BIGINT REFERENCES account (id),  -- holder of the lease, then the writer
    reviewer_id     BIGINT REFERENCES account (id),
    lease           TEXT,                            -- fencing token of the holder
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
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id     BIGINT NOT NULL REFERENCES case_ (id),
    at_us       BIGINT NOT NULL,
    account_id  BIGINT,
    reason      TEXT NOT NULL,
    inputs      TEXT NOT NULL,                       -- JSON: what decide() saw, so that it can be replayed
    passed_over TEXT NOT NULL                        -- JSON: [[account, reason], ...]
);
CREATE INDEX decision_case ON decision (case_id, at_us);

-- Reports ---------------------------------------------------------------------------------------------------------

CREATE TABLE report (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id         BIGINT NOT NULL REFERENCES case_ (id),
    version         BIGINT NOT NULL,                 -- 1, then amendments
    state           TEXT NOT NULL,
    template        TEXT NOT NULL,
    findings        TEXT NOT NULL,
    impression      TEXT NOT NULL,
    note            TEXT NOT NULL,
    rev             BIGINT NOT NULL,
    saved_us        BIGINT NOT NULL,
    signatures_needed BIGINT NOT NULL,
    number          TEXT UNIQUE,
    verify_code     TEXT,
    content         BLOB,                            -- canonical bytes that were sealed
    content_sha256  BLOB,
    signed_us       BIGINT,
    pdf_key         TEXT,
    pdf_sha256      BLOB,
    UNIQUE (case_id, version)
);

CREATE TABLE report_signature (
    report_id       BIGINT NOT NULL REFERENCES report (id),
    role            TEXT NOT NULL,                   -- writer, reviewer
    account_id      BIGINT NOT NULL REFERENCES account (id),
    name            TEXT NOT NULL,                   -- as it stood at signing
    title           TEXT NOT NULL,
    at_us           BIGINT NOT NULL,
    content_sha256  BLOB NOT NULL,
    signature       BLOB NOT NULL,
    PRIMARY KEY (report_id, role)
);
