-- In what character set a device's files are written, whatever they declare: utf-8, gb18030, latin-1; NULL: as they declare,
-- or as their bytes turn out.

ALTER TABLE device ADD COLUMN files_charset TEXT;

-- As what the text of an instance's header was read, where that had been said of its device.

ALTER TABLE instance ADD COLUMN written_in TEXT;
