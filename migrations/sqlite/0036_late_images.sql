-- Images that came for a case after its study was complete, or after its report was signed: said on its row until it is signed,
-- and after that as long as no report knows them.

ALTER TABLE case_ ADD COLUMN late BIGINT NOT NULL DEFAULT 0;
ALTER TABLE case_ ADD COLUMN late_us BIGINT;                     -- when the last of them came
CREATE INDEX case_late ON case_ (late_us) WHERE late > 0;
