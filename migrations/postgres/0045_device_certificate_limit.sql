-- SHA-256 of the certificate that a device must show over TLS, in hexadecimal pairs; NULL: none is asked of it.

ALTER TABLE device ADD COLUMN certificate TEXT;

-- Associations a device may have at a time; NULL: as many as any other.

ALTER TABLE device ADD COLUMN max_associations BIGINT;
