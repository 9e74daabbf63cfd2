-- What keeps a study from being erased, what was erased, and what is left to do of it; see src/index/erasure.rs.

CREATE TABLE legal_hold (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    study_id        BIGINT NOT NULL REFERENCES study (id),
    reason          TEXT NOT NULL,
    by_id           BIGINT NOT NULL REFERENCES account (id),
    at_us           BIGINT NOT NULL,
    lifted_us       BIGINT,
    lifted_by_id    BIGINT REFERENCES account (id)
);
CREATE INDEX legal_hold_study ON legal_hold (study_id);

-- A request; confirmed, a tombstone. Names a study that is gone by the SHA-256 of its UID.
CREATE TABLE erasure (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    study_id        BIGINT,                          -- no reference: NULL once its images are gone
    uid_hash        BLOB NOT NULL,
    site_id         BIGINT REFERENCES site (id),     -- NULL: known from the store alone
    reason          TEXT NOT NULL,
    requested_us    BIGINT NOT NULL,
    requested_by    BIGINT REFERENCES account (id),
    confirmed_us    BIGINT,
    confirmed_by    BIGINT REFERENCES account (id),
    tombstone_key   TEXT,                            -- its copy in the store, from which an index is made anew
    tombstone_sha256 BLOB,
    done_us         BIGINT,
    instances       BIGINT NOT NULL
);
CREATE INDEX erasure_uid ON erasure (uid_hash);

-- Datasets that were received and erased: what a spool or an interrupted step still has of them is no loss.
CREATE TABLE erased_dataset (
    erasure_id      BIGINT NOT NULL REFERENCES erasure (id),
    sha256          BLOB NOT NULL,
    PRIMARY KEY (sha256, erasure_id)
);

-- Packs to be written anew or to go, and objects to be deleted, of erasures under way.
CREATE TABLE erasure_pack (
    erasure_id      BIGINT NOT NULL REFERENCES erasure (id),
    pack_id         BIGINT NOT NULL REFERENCES pack (id),
    PRIMARY KEY (erasure_id, pack_id)
);
CREATE TABLE erasure_object (
    erasure_id      BIGINT NOT NULL REFERENCES erasure (id),
    key             TEXT NOT NULL
);
