-- Whoever wrote any part of a report's text, also in a draft that lapsed and went on in other hands: none of them reviews it.

CREATE TABLE report_author (
    report_id   BIGINT NOT NULL REFERENCES report (id),
    account_id  BIGINT NOT NULL REFERENCES account (id),
    PRIMARY KEY (report_id, account_id)
);

INSERT INTO report_author (report_id, account_id)
SELECT DISTINCT e.report_id, e.account_id
  FROM event e JOIN report r ON r.id = e.report_id JOIN account a ON a.id = e.account_id
 WHERE e.kind IN ('case.drafted', 'case.submitted');
