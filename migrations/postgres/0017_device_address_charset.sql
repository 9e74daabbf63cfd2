-- Where a device takes objects that are sent to it, HOST:PORT; NULL: it only sends.

ALTER TABLE device ADD COLUMN address TEXT;

-- In what it reads the text of answers: utf-8, gb18030, gb2312; NULL: in that of its queries.

ALTER TABLE device ADD COLUMN charset TEXT;
