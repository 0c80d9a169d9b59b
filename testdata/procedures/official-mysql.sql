-- A test procedure, not for production: it is WRONG ON PURPOSE.
--
-- It rebuilds in short what is published of the behaviour of the vendor's token
-- clean-up procedure for MySQL, with its faults, so that "--engine script:" has
-- something to judge. It is written for this project and shares no text with it.
-- What is wrong with it:
--   the limit is NOW(), the local time of the session, while the rows hold UTC;
--   lifetimes are rounded to whole minutes, 0 counts as endless;
--   an EXPIRED token goes although its refresh token may still work;
--   fewer than checkCount rows of a table are left behind;
--   ids are chosen once a chunk, and deleted later without a second look;
--   the audit is written a chunk ahead of the deletes.

DROP PROCEDURE IF EXISTS `OFFICIAL_LIKE_TOKEN_CLEANUP`;

DELIMITER $$

CREATE PROCEDURE `OFFICIAL_LIKE_TOKEN_CLEANUP`()
BEGIN
  DECLARE batchSize INT;
  DECLARE chunkSize INT;
  DECLARE checkCount INT;
  DECLARE backupTables BOOLEAN;
  DECLARE sleepTime FLOAT;
  DECLARE safePeriod INT;
  DECLARE deleteTimeLimit DATETIME;
  DECLARE maxValidityPeriod BIGINT;
  DECLARE enableLog BOOLEAN;
  DECLARE logLevel VARCHAR(10);
  DECLARE enableAudit BOOLEAN;
  DECLARE removed INT;
  DECLARE liveTable VARCHAR(64);
  DECLARE noMoreTables INT DEFAULT 0;
  DECLARE liveTables CURSOR FOR
    SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN
      ('IDN_OAUTH2_ACCESS_TOKEN', 'IDN_OAUTH2_ACCESS_TOKEN_SCOPE', 'IDN_OAUTH2_AUTHORIZATION_CODE', 'IDN_OIDC_REQ_OBJECT_REFERENCE',
       'IDN_OIDC_REQ_OBJECT_CLAIMS', 'IDN_OIDC_REQ_OBJ_CLAIM_VALUES', 'IDN_OAUTH2_CIBA_AUTH_CODE');
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET noMoreTables = 1;

  -- attributes
  SET maxValidityPeriod = 99999999999990; -- a lifetime from here on never ends, ms
  SET batchSize = 10000;
  SET chunkSize = 500000;
  SET checkCount = 100;
  SET backupTables = TRUE;
  SET sleepTime = 2; -- s, after each batch
  SET safePeriod = 2; -- h
  SET enableLog = TRUE;
  SET logLevel = 'TRACE';
  SET enableAudit = FALSE;

  SET deleteTimeLimit = DATE_SUB(NOW(), INTERVAL safePeriod HOUR);
  SET SQL_MODE = 'ALLOW_INVALID_DATES';

  IF enableLog THEN
    SELECT 'CLEAN-UP BEGINS' AS 'INFO LOG', deleteTimeLimit;
  END IF;
  IF enableAudit THEN
    SET backupTables = TRUE;
  END IF;

  IF backupTables THEN
    OPEN liveTables;
    copies: LOOP
      FETCH liveTables INTO liveTable;
      IF noMoreTables = 1 THEN
        LEAVE copies;
      END IF;
      SET @statement = CONCAT('DROP TABLE IF EXISTS BAK_', liveTable);
      PREPARE s FROM @statement;
      EXECUTE s;
      SET @statement = CONCAT('CREATE TABLE BAK_', liveTable, ' SELECT * FROM ', liveTable);
      PREPARE s FROM @statement;
      EXECUTE s;
      DEALLOCATE PREPARE s;
      IF enableLog AND logLevel IN ('DEBUG', 'TRACE') THEN
        SELECT 'BACKED UP' AS 'DEBUG LOG', liveTable;
      END IF;
    END LOOP copies;
    CLOSE liveTables;
  END IF;

  IF enableAudit THEN
    CREATE TABLE IF NOT EXISTS AUDITLOG_IDN_OAUTH2_ACCESS_TOKEN_CLEANUP SELECT * FROM IDN_OAUTH2_ACCESS_TOKEN WHERE 1 = 2;
    CREATE TABLE IF NOT EXISTS AUDITLOG_IDN_OAUTH2_AUTHORIZATION_CODE_CLEANUP SELECT * FROM IDN_OAUTH2_AUTHORIZATION_CODE WHERE 1 = 2;
    CREATE TABLE IF NOT EXISTS AUDITLOG_IDN_OAUTH2_CIBA_AUTH_CODE_CLEANUP SELECT * FROM IDN_OAUTH2_CIBA_AUTH_CODE WHERE 1 = 2;
  END IF;

  tokenChunks: LOOP
    DROP TEMPORARY TABLE IF EXISTS CHUNK_OF_TOKENS;
    CREATE TEMPORARY TABLE CHUNK_OF_TOKENS
      SELECT TOKEN_ID FROM IDN_OAUTH2_ACCESS_TOKEN
      WHERE TOKEN_STATE IN ('INACTIVE', 'REVOKED', 'EXPIRED')
        OR TOKEN_STATE = 'ACTIVE'
          AND VALIDITY_PERIOD > 0 AND VALIDITY_PERIOD < maxValidityPeriod
          AND REFRESH_TOKEN_VALIDITY_PERIOD > 0 AND REFRESH_TOKEN_VALIDITY_PERIOD < maxValidityPeriod
          AND deleteTimeLimit > DATE_ADD(TIME_CREATED, INTERVAL (VALIDITY_PERIOD / 60000) MINUTE)
          AND deleteTimeLimit > DATE_ADD(REFRESH_TOKEN_TIME_CREATED, INTERVAL (REFRESH_TOKEN_VALIDITY_PERIOD / 60000) MINUTE)
      LIMIT chunkSize;
    SELECT COUNT(*) INTO @chunk FROM CHUNK_OF_TOKENS;
    IF @chunk < checkCount THEN
      LEAVE tokenChunks;
    END IF;
    CREATE INDEX IDX_CHUNK_OF_TOKENS ON CHUNK_OF_TOKENS (TOKEN_ID);
    IF enableAudit THEN
      INSERT INTO AUDITLOG_IDN_OAUTH2_ACCESS_TOKEN_CLEANUP
        SELECT t.* FROM IDN_OAUTH2_ACCESS_TOKEN t JOIN CHUNK_OF_TOKENS c ON c.TOKEN_ID = t.TOKEN_ID;
    END IF;
    tokenBatches: LOOP
      DROP TEMPORARY TABLE IF EXISTS BATCH_OF_TOKENS;
      CREATE TEMPORARY TABLE BATCH_OF_TOKENS SELECT TOKEN_ID FROM CHUNK_OF_TOKENS LIMIT batchSize;
      DELETE t FROM IDN_OAUTH2_ACCESS_TOKEN t JOIN BATCH_OF_TOKENS b ON b.TOKEN_ID = t.TOKEN_ID;
      SELECT ROW_COUNT() INTO removed;
      DELETE c FROM CHUNK_OF_TOKENS c JOIN BATCH_OF_TOKENS b ON b.TOKEN_ID = c.TOKEN_ID;
      IF removed = 0 THEN
        LEAVE tokenBatches;
      END IF;
      IF enableLog THEN
        SELECT 'TOKENS REMOVED' AS 'INFO LOG', removed;
      END IF;
      DO SLEEP(sleepTime);
    END LOOP tokenBatches;
  END LOOP tokenChunks;

  codeChunks: LOOP
    DROP TEMPORARY TABLE IF EXISTS CHUNK_OF_CODES;
    CREATE TEMPORARY TABLE CHUNK_OF_CODES
      SELECT CODE_ID FROM IDN_OAUTH2_AUTHORIZATION_CODE c
      WHERE NOT EXISTS (SELECT 1 FROM IDN_OAUTH2_ACCESS_TOKEN t WHERE t.TOKEN_ID = c.TOKEN_ID)
        AND (STATE = 'INACTIVE'
          OR VALIDITY_PERIOD > 0 AND VALIDITY_PERIOD < maxValidityPeriod
            AND deleteTimeLimit > DATE_ADD(TIME_CREATED, INTERVAL (VALIDITY_PERIOD / 60000) MINUTE))
      LIMIT chunkSize;
    SELECT COUNT(*) INTO @chunk FROM CHUNK_OF_CODES;
    IF @chunk < checkCount THEN
      LEAVE codeChunks;
    END IF;
    CREATE INDEX IDX_CHUNK_OF_CODES ON CHUNK_OF_CODES (CODE_ID);
    IF enableAudit THEN
      INSERT INTO AUDITLOG_IDN_OAUTH2_AUTHORIZATION_CODE_CLEANUP
        SELECT a.* FROM IDN_OAUTH2_AUTHORIZATION_CODE a JOIN CHUNK_OF_CODES c ON c.CODE_ID = a.CODE_ID;
    END IF;
    codeBatches: LOOP
      DROP TEMPORARY TABLE IF EXISTS BATCH_OF_CODES;
      CREATE TEMPORARY TABLE BATCH_OF_CODES SELECT CODE_ID FROM CHUNK_OF_CODES LIMIT batchSize;
      DELETE a FROM IDN_OAUTH2_AUTHORIZATION_CODE a JOIN BATCH_OF_CODES b ON b.CODE_ID = a.CODE_ID;
      SELECT ROW_COUNT() INTO removed;
      DELETE c FROM CHUNK_OF_CODES c JOIN BATCH_OF_CODES b ON b.CODE_ID = c.CODE_ID;
      IF removed = 0 THEN
        LEAVE codeBatches;
      END IF;
      IF enableLog THEN
        SELECT 'CODES REMOVED' AS 'INFO LOG', removed;
      END IF;
      DO SLEEP(sleepTime);
    END LOOP codeBatches;
  END LOOP codeChunks;

  cibaChunks: LOOP
    DROP TEMPORARY TABLE IF EXISTS CHUNK_OF_CIBA;
    CREATE TEMPORARY TABLE CHUNK_OF_CIBA
      SELECT AUTH_CODE_KEY FROM IDN_OAUTH2_CIBA_AUTH_CODE
      WHERE AUTH_REQ_STATUS IN ('EXPIRED', 'TOKEN_ISSUED', 'FAILED')
        OR EXPIRES_IN > 0 AND deleteTimeLimit > DATE_ADD(ISSUED_TIME, INTERVAL EXPIRES_IN SECOND)
      LIMIT chunkSize;
    SELECT COUNT(*) INTO @chunk FROM CHUNK_OF_CIBA;
    IF @chunk < checkCount THEN
      LEAVE cibaChunks;
    END IF;
    CREATE INDEX IDX_CHUNK_OF_CIBA ON CHUNK_OF_CIBA (AUTH_CODE_KEY);
    IF enableAudit THEN
      INSERT INTO AUDITLOG_IDN_OAUTH2_CIBA_AUTH_CODE_CLEANUP
        SELECT r.* FROM IDN_OAUTH2_CIBA_AUTH_CODE r JOIN CHUNK_OF_CIBA c ON c.AUTH_CODE_KEY = r.AUTH_CODE_KEY;
    END IF;
    cibaBatches: LOOP
      DROP TEMPORARY TABLE IF EXISTS BATCH_OF_CIBA;
      CREATE TEMPORARY TABLE BATCH_OF_CIBA SELECT AUTH_CODE_KEY FROM CHUNK_OF_CIBA LIMIT batchSize;
      DELETE r FROM IDN_OAUTH2_CIBA_AUTH_CODE r JOIN BATCH_OF_CIBA b ON b.AUTH_CODE_KEY = r.AUTH_CODE_KEY;
      SELECT ROW_COUNT() INTO removed;
      DELETE c FROM CHUNK_OF_CIBA c JOIN BATCH_OF_CIBA b ON b.AUTH_CODE_KEY = c.AUTH_CODE_KEY;
      IF removed = 0 THEN
        LEAVE cibaBatches;
      END IF;
      IF enableLog THEN
        SELECT 'CIBA CODES REMOVED' AS 'INFO LOG', removed;
      END IF;
      DO SLEEP(sleepTime);
    END LOOP cibaBatches;
  END LOOP cibaChunks;

  IF enableLog THEN
    SELECT 'CLEAN-UP ENDS' AS 'INFO LOG';
  END IF;
END$$

DELIMITER ;
