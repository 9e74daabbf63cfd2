-- Why an image can't be shown and what a quarantined object's fault is about are stable words and figures; the sentences are the
-- application's, in its reader's language. What no line here knows stays as it is, and is shown as it stands.

UPDATE instance SET delivery_reason = CASE
        WHEN delivery_reason = 'nothing says how its pixels lie' THEN 'no_layout'
        WHEN delivery_reason IN ('it has no pixels', 'no pixel data') THEN 'no_pixels'
        WHEN delivery_reason = 'no delivery form fits' THEN 'no_form'
        WHEN delivery_reason LIKE '%the frame took the decoder too long' THEN 'decoder_timed_out'
        WHEN delivery_reason LIKE '%the frame brought the decoder down' THEN 'decoder_died'
        WHEN delivery_reason LIKE 'no decoder for transfer syntax %'
            THEN REPLACE(delivery_reason, 'no decoder for transfer syntax ', 'no_decoder ')
        WHEN delivery_reason LIKE 'the frame does not decode: %'
            THEN REPLACE(delivery_reason, 'the frame does not decode: ', 'damaged ')
        ELSE delivery_reason END
  WHERE delivery_reason <> '' AND delivery = 'unavailable';

UPDATE quarantine SET detail = CASE
        WHEN reason = 'missing_uid' THEN REPLACE(detail, 'it has no ', '')
        WHEN reason = 'bad_uid' THEN REPLACE(REPLACE(detail, 'its ', ''), ' is no UID', '')
        WHEN reason = 'other_site' AND detail LIKE 'its Study Instance UID%' THEN 'Study Instance UID'
        WHEN reason = 'other_site' THEN 'SOP Instance UID'
        WHEN reason = 'patient_mismatch' THEN REPLACE(detail, 'its Patient ID differs from that of study ', '')
        WHEN reason = 'duplicate'
            THEN REPLACE(REPLACE(detail, 'instance ', ''), ' has the same SOP Instance UID and other content', '')
        ELSE '' END
  WHERE reason IN ('missing_uid', 'bad_uid', 'other_site', 'patient_mismatch', 'duplicate', 'uid_mismatch', 'class_mismatch',
                   'study_removed', 'parser_failed', 'read_failed', 'not_dicom', 'bad_deflate');
