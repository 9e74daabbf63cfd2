-- Whether a specialist's page waits for a case, and when they were last given one: both outlive the case's own row.

ALTER TABLE duty ADD COLUMN free BIGINT NOT NULL DEFAULT 0;   -- 1: the desk is empty
ALTER TABLE duty ADD COLUMN given_us BIGINT;                  -- in this shift; a lapse counts as well
