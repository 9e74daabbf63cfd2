-- Performed procedure steps as modalities tell of them (PS3.4 annex F); see src/index/steps.rs.

CREATE TABLE performed_step (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id         BIGINT NOT NULL REFERENCES site (id),
    device_id       BIGINT NOT NULL REFERENCES device (id),
    uid             TEXT COLLATE "C" NOT NULL,       -- of the SOP instance; another site's is another step
    studies         TEXT COLLATE "C" NOT NULL,       -- JSON: UIDs of the studies it belongs to
    state           TEXT COLLATE "C" NOT NULL,       -- IN PROGRESS, COMPLETED, DISCONTINUED
    instances       BIGINT NOT NULL,                 -- that it says it made
    begun_us        BIGINT NOT NULL,
    ended_us        BIGINT,
    UNIQUE (site_id, uid)
);
