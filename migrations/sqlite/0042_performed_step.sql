-- Performed procedure steps as modalities tell of them (PS3.4 annex F); see src/index/steps.rs.

CREATE TABLE performed_step (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    site_id         BIGINT NOT NULL REFERENCES site (id),
    device_id       BIGINT NOT NULL REFERENCES device (id),
    uid             TEXT NOT NULL,                   -- of the SOP instance; another site's is another step
    studies         TEXT NOT NULL,                   -- JSON: UIDs of the studies it belongs to
    state           TEXT NOT NULL,                   -- IN PROGRESS, COMPLETED, DISCONTINUED
    instances       BIGINT NOT NULL,                 -- that it says it made
    begun_us        BIGINT NOT NULL,
    ended_us        BIGINT,
    UNIQUE (site_id, uid)
);
