-- A test procedure, not for production: on a live table one statement for everything
-- locks every row that it removes until its end, and can only be taken back as a whole.
--
-- It is the limit of deleting in place: nothing is audited, nothing is looked at twice.
-- "tokensweep bench" compares engines with it. What it removes is what official-mysql.sql
-- does; request-object claims go first, because MySQL 9.7 leaves orphans below them.

DROP PROCEDURE IF EXISTS `SINGLE_DELETE`;

DELIMITER $$

CREATE PROCEDURE `SINGLE_DELETE`()
BEGIN
  DECLARE maxValidityPeriod BIGINT;
  DECLARE safePeriod INT;
  DECLARE deleteTimeLimit DATETIME;

  -- attributes
  SET maxValidityPeriod = 99999999999990; -- a lifetime from here on never ends, ms
  SET safePeriod = 2; -- h

  SET deleteTimeLimit = DATE_SUB(NOW(), INTERVAL safePeriod HOUR);
  SET SQL_MODE = 'ALLOW_INVALID_DATES';

  DELETE l FROM IDN_OAUTH2_ACCESS_TOKEN t
    STRAIGHT_JOIN IDN_OIDC_REQ_OBJECT_REFERENCE r ON r.TOKEN_ID = t.TOKEN_ID
    STRAIGHT_JOIN IDN_OIDC_REQ_OBJECT_CLAIMS l ON l.REQ_OBJECT_ID = r.ID
  WHERE t.TOKEN_STATE IN ('INACTIVE', 'REVOKED', 'EXPIRED')
    OR t.TOKEN_STATE = 'ACTIVE'
      AND t.VALIDITY_PERIOD > 0 AND t.VALIDITY_PERIOD < maxValidityPeriod
      AND t.REFRESH_TOKEN_VALIDITY_PERIOD > 0 AND t.REFRESH_TOKEN_VALIDITY_PERIOD < maxValidityPeriod
      AND deleteTimeLimit > DATE_ADD(t.TIME_CREATED, INTERVAL (t.VALIDITY_PERIOD / 60000) MINUTE)
      AND deleteTimeLimit > DATE_ADD(t.REFRESH_TOKEN_TIME_CREATED, INTERVAL (t.REFRESH_TOKEN_VALIDITY_PERIOD / 60000) MINUTE);

  DELETE FROM IDN_OAUTH2_ACCESS_TOKEN
  WHERE TOKEN_STATE IN ('INACTIVE', 'REVOKED', 'EXPIRED')
    OR TOKEN_STATE = 'ACTIVE'
      AND VALIDITY_PERIOD > 0 AND VALIDITY_PERIOD < maxValidityPeriod
      AND REFRESH_TOKEN_VALIDITY_PERIOD > 0 AND REFRESH_TOKEN_VALIDITY_PERIOD < maxValidityPeriod
      AND deleteTimeLimit > DATE_ADD(TIME_CREATED, INTERVAL (VALIDITY_PERIOD / 60000) MINUTE)
      AND deleteTimeLimit > DATE_ADD(REFRESH_TOKEN_TIME_CREATED, INTERVAL (REFRESH_TOKEN_VALIDITY_PERIOD / 60000) MINUTE);

  DELETE FROM IDN_OAUTH2_AUTHORIZATION_CODE
  WHERE NOT EXISTS (SELECT 1 FROM IDN_OAUTH2_ACCESS_TOKEN t WHERE t.TOKEN_ID = IDN_OAUTH2_AUTHORIZATION_CODE.TOKEN_ID)
    AND (STATE = 'INACTIVE'
      OR VALIDITY_PERIOD > 0 AND VALIDITY_PERIOD < maxValidityPeriod
        AND deleteTimeLimit > DATE_ADD(TIME_CREATED, INTERVAL (VALIDITY_PERIOD / 60000) MINUTE));

  DELETE FROM IDN_OAUTH2_CIBA_AUTH_CODE
  WHERE AUTH_REQ_STATUS IN ('EXPIRED', 'TOKEN_ISSUED', 'FAILED')
    OR EXPIRES_IN > 0 AND deleteTimeLimit > DATE_ADD(ISSUED_TIME, INTERVAL EXPIRES_IN SECOND);
END$$

DELIMITER ;
