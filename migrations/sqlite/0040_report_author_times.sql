-- When each writer last changed the text: whoever takes a draft over is told whose words it holds, and of when.

ALTER TABLE report_author ADD COLUMN at_us BIGINT;

UPDATE report_author SET at_us = (SELECT r.saved_us FROM report r WHERE r.id = report_author.report_id)
 WHERE (SELECT COUNT(*) FROM report_author o WHERE o.report_id = report_author.report_id) = 1;
