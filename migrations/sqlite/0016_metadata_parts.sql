-- Metadata is kept so that several instances' are one deflate stream; what gzip says of the whole is made of these.
ALTER TABLE instance_metadata ADD COLUMN length BIGINT;
ALTER TABLE instance_metadata ADD COLUMN crc32 BIGINT;
