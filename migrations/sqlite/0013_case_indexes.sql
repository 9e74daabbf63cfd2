-- Pages ask again with every event: what they ask of signed cases must not cost more each year.

CREATE INDEX case_arriving ON case_ (arriving_us);
CREATE INDEX case_signed ON case_ (signed_us);
CREATE INDEX case_unread ON case_ (state, read_us, site_id, id) WHERE read_us IS NULL;
