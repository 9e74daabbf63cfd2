-- Images that came after a report was signed: how many of them a doctor has looked at and said that the diagnosis stands, and
-- the newest image of the study that anybody has answered for, so that those beyond it can be pointed out.

ALTER TABLE case_ ADD COLUMN late_seen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE case_ ADD COLUMN known_instance BIGINT;

UPDATE case_ SET known_instance =
    (SELECT MAX(i.id) FROM instance i JOIN series e ON e.id = i.series_id
      WHERE e.study_id = case_.study_id AND i.received_us <= case_.signed_us)
 WHERE state = 'signed';

-- A report as a reviewer sent it back the last time, with the reason: what the next review is compared with.

ALTER TABLE report ADD COLUMN returned_note TEXT;
ALTER TABLE report ADD COLUMN returned_findings TEXT;
ALTER TABLE report ADD COLUMN returned_impression TEXT;
