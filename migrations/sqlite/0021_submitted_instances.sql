-- How many images the writer had on the screen when they submitted; none known before this.

ALTER TABLE report ADD COLUMN submitted_instances BIGINT;
