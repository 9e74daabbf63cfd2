-- What was told of how many images a study will have, or that it has all of them; see src/index/evidence.rs. A device may tell
-- before the first image comes, so rows name a study by its UID, and only ever count at the site that told.

CREATE TABLE study_evidence (
    site_id     BIGINT NOT NULL REFERENCES site (id),
    study_uid   TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,           -- step_begun, step_completed, commitment, study_count, series_count, acquisition_count
    subject     TEXT COLLATE "C" NOT NULL,           -- UID of the step, transaction or series; empty: the study
    part        TEXT COLLATE "C" NOT NULL,           -- Acquisition Number; empty otherwise
    least       BIGINT NOT NULL,                     -- smallest and largest count told; equal where all tell the same
    most        BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,                     -- when it was told first
    PRIMARY KEY (site_id, study_uid, kind, subject, part)
);
