-- Removes dead OAuth2 tokens, authorization codes and CIBA codes, in small transactions.
-- made by tokensweep procedure sqlserver, for the tables of apim-2.6. Do not edit it: generate it again when the tables change.
--
-- Install  sqlcmd -b -d THE_DATABASE -i this file     as a user who may CREATE PROCEDURE and CREATE TABLE and ALTER the schema
-- Try      EXEC [dbo].[TOKENSWEEP_CLEAN] @dry_run = 1;     counts, and writes nothing
-- Run      EXEC [dbo].[TOKENSWEEP_CLEAN] @policy = 'documented', @safe_period = 7200;
-- Allow    GRANT EXECUTE ON [dbo].[TOKENSWEEP_CLEAN] TO operator; GRANT VIEW DEFINITION ON SCHEMA::[dbo] TO operator;
-- Look     SELECT * FROM [dbo].[TOKENSWEEP_RUNS] ORDER BY STARTED_AT;
-- Remove   DROP PROCEDURE [dbo].[TOKENSWEEP_CLEAN]; DROP TABLE [dbo].[TOKENSWEEP_RUNS];
--
-- Times in the tables are UTC: that is how the product writes a DATETIME.

SET NOCOUNT ON;
SET ANSI_NULLS ON;
SET QUOTED_IDENTIFIER ON;
GO

-- A procedure or table of these names that is not ours: nothing that follows is run.
IF EXISTS (SELECT 1 FROM sys.procedures p LEFT JOIN sys.sql_modules m ON m.object_id = p.object_id
    WHERE p.object_id = OBJECT_ID(N'[dbo].[TOKENSWEEP_CLEAN]') AND COALESCE(m.definition, N'') NOT LIKE N'%made by tokensweep procedure%')
  OR OBJECT_ID(N'[dbo].[TOKENSWEEP_RUNS]') IS NOT NULL AND 12 <> (SELECT COUNT(*) FROM sys.columns WHERE object_id = OBJECT_ID(N'[dbo].[TOKENSWEEP_RUNS]')
    AND name IN (N'RUN_ID', N'PHASE', N'POLICY', N'CUT_OFF', N'AUDIT', N'STARTED_AT', N'ENDED_AT', N'EXAMINED', N'REMOVED', N'AUDITED', N'BATCHES', N'OUTCOME'))
BEGIN
  RAISERROR(N'tokensweep: there is a procedure TOKENSWEEP_CLEAN or a table TOKENSWEEP_RUNS that is not ours; it was not touched', 16, 1);
  SET NOEXEC ON;
END
GO

-- One row per run and table. Times are UTC.
IF OBJECT_ID(N'[dbo].[TOKENSWEEP_RUNS]') IS NULL
  CREATE TABLE [dbo].[TOKENSWEEP_RUNS] (
    RUN_ID CHAR(32) NOT NULL,
    PHASE VARCHAR(32) NOT NULL,
    POLICY VARCHAR(32) NOT NULL,
    CUT_OFF CHAR(19) NOT NULL,
    AUDIT BIT NOT NULL,
    STARTED_AT CHAR(19) NOT NULL,
    ENDED_AT CHAR(19) NULL,
    EXAMINED BIGINT NOT NULL,
    REMOVED BIGINT NOT NULL,
    AUDITED BIGINT NOT NULL,
    BATCHES BIGINT NOT NULL,
    OUTCOME NVARCHAR(500) NOT NULL,
    PRIMARY KEY (RUN_ID, PHASE)
  );
GO

-- Altered rather than dropped, so that what was granted on it stays.
IF OBJECT_ID(N'[dbo].[TOKENSWEEP_CLEAN]') IS NULL
  EXEC (N'CREATE PROCEDURE [dbo].[TOKENSWEEP_CLEAN] AS RETURN 0; -- made by tokensweep procedure');
GO

ALTER PROCEDURE [dbo].[TOKENSWEEP_CLEAN]
  -- made by tokensweep procedure sqlserver
  @policy      VARCHAR(32)  = 'documented',  -- or 'strict'
  @safe_period INT          = 7200,          -- seconds that a token must have been over; NULL only with @cut_off
  @cut_off     DATETIME2(7) = NULL,          -- what ended before this time may go, UTC, whole seconds; NULL: now less @safe_period
  @batch       INT          = 642,           -- keys that a transaction examines at most
  @sleep       DECIMAL(9,3) = 0,             -- seconds between batches
  @max_seconds INT          = 0,             -- stop after the batch in which this time is over; 0: no limit
  @audit       BIT          = 0,             -- copy removed tokens to the audit table
  @dry_run     BIT          = 0              -- count only, and write nothing
AS
BEGIN
  -- A transaction of the caller's would be committed half way. It is left alone, which THROW would not do.
  IF @@TRANCOUNT > 0
  BEGIN
    RAISERROR(N'tokensweep: this session has a transaction open: COMMIT it or ROLLBACK, then call again', 16, 1);
    RETURN 1;
  END;

  -- What is set here holds until the procedure ends; the server then restores the caller's settings by itself.
  SET NOCOUNT ON;
  SET XACT_ABORT ON;
  SET IMPLICIT_TRANSACTIONS OFF;
  SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
  SET LOCK_TIMEOUT -1; -- what reads outside of a batch waits, and holds nothing meanwhile
  SET DEADLOCK_PRIORITY LOW;
  SET ROWCOUNT 0;
  SET ANSI_WARNINGS ON;
  SET ANSI_PADDING ON;
  SET ARITHABORT ON;
  SET CONCAT_NULL_YIELDS_NULL ON;
  SET NUMERIC_ROUNDABORT OFF;

  DECLARE @lock NVARCHAR(255) = N'tokensweep-a335640be1f1347c62c9ed3b0ca8a09a-' + DB_NAME();
  DECLARE @got INT, @at CHAR(19), @message NVARCHAR(500), @changed NVARCHAR(300), @stopped NVARCHAR(400), @error INT;
  DECLARE @started DATETIME2(3) = SYSUTCDATETIME();
  DECLARE @run_id CHAR(32) = REPLACE(REPLACE(REPLACE(CONVERT(CHAR(19), @started, 120), '-', ''), ' ', ''), ':', '')
    + RIGHT('00' + CAST(DATEPART(MILLISECOND, @started) AS VARCHAR(3)), 3) + LEFT(REPLACE(CONVERT(CHAR(36), NEWID()), '-', ''), 15); -- sorts by time
  DECLARE @known INT, @keys BIGINT, @hits BIGINT, @locked BIGINT, @removed BIGINT;
  DECLARE @size BIGINT, @again BIT, @attempts INT, @mismatches INT = 0;
  DECLARE @deadlocks BIGINT = 0, @timeouts BIGINT = 0, @taken_back BIGINT = 0;
  DECLARE @tokens_from VARCHAR(255), @tokens_through VARCHAR(255);
  DECLARE @tokens_examined BIGINT = 0, @tokens_removed BIGINT = 0, @tokens_batches BIGINT = 0, @tokens_held BIGINT = 0;
  DECLARE @codes_from VARCHAR(255), @codes_through VARCHAR(255);
  DECLARE @codes_examined BIGINT = 0, @codes_removed BIGINT = 0, @codes_batches BIGINT = 0, @codes_held BIGINT = 0;

  -- 1. Refuse what cannot work, before anything changes. NULL is the default, but for the times.
  SELECT @policy = COALESCE(@policy, 'documented'), @batch = COALESCE(@batch, 642), @sleep = COALESCE(@sleep, 0),
    @max_seconds = COALESCE(@max_seconds, 0), @audit = COALESCE(@audit, 0), @dry_run = COALESCE(@dry_run, 0);
  SET @message = CASE
    WHEN @policy LIKE 'official-%' THEN N'the official policies repeat a vendor''s script, for comparison: use documented or strict'
    WHEN @policy NOT IN ('documented', 'strict') THEN N'@policy must be documented or strict'
    WHEN @cut_off IS NULL AND @safe_period IS NULL THEN N'@safe_period or @cut_off is missing'
    WHEN @safe_period < 0 THEN N'@safe_period is negative: tokens that still work would go'
    WHEN @cut_off > SYSUTCDATETIME() THEN N'@cut_off is in the future: tokens that still work would go'
    WHEN @cut_off <> CAST(@cut_off AS DATETIME2(0)) THEN N'@cut_off has a fraction of a second'
    WHEN @batch < 1 THEN N'@batch must be 1 or more'
    WHEN @sleep <> 0 THEN N'this server cannot wait: @sleep must be 0'
    WHEN @max_seconds < 0 THEN N'@max_seconds is negative'
    WHEN @audit = 1 THEN N'this procedure was generated without audit'
  END;

  -- The tables must be those that this procedure was generated for.
  IF @message IS NULL
  BEGIN
    SELECT @known = SUM(c.known), @changed = N'column ' + MIN(CASE c.known WHEN 0 THEN c.name END) + N' is new'
    FROM (
      SELECT n.name, CASE WHEN n.name IN (
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.ACCESS_TOKEN',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN',
        'IDN_OAUTH2_ACCESS_TOKEN.CONSUMER_KEY_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.AUTHZ_USER',
        'IDN_OAUTH2_ACCESS_TOKEN.TENANT_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.USER_DOMAIN',
        'IDN_OAUTH2_ACCESS_TOKEN.USER_TYPE',
        'IDN_OAUTH2_ACCESS_TOKEN.GRANT_TYPE',
        'IDN_OAUTH2_ACCESS_TOKEN.TIME_CREATED',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN_TIME_CREATED',
        'IDN_OAUTH2_ACCESS_TOKEN.VALIDITY_PERIOD',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN_VALIDITY_PERIOD',
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_SCOPE_HASH',
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_STATE',
        'IDN_OAUTH2_ACCESS_TOKEN.TOKEN_STATE_ID',
        'IDN_OAUTH2_ACCESS_TOKEN.SUBJECT_IDENTIFIER',
        'IDN_OAUTH2_ACCESS_TOKEN.ACCESS_TOKEN_HASH',
        'IDN_OAUTH2_ACCESS_TOKEN.REFRESH_TOKEN_HASH',
        'IDN_OAUTH2_AUTHORIZATION_CODE.CODE_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.AUTHORIZATION_CODE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.CONSUMER_KEY_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.CALLBACK_URL',
        'IDN_OAUTH2_AUTHORIZATION_CODE.SCOPE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.AUTHZ_USER',
        'IDN_OAUTH2_AUTHORIZATION_CODE.TENANT_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.USER_DOMAIN',
        'IDN_OAUTH2_AUTHORIZATION_CODE.TIME_CREATED',
        'IDN_OAUTH2_AUTHORIZATION_CODE.VALIDITY_PERIOD',
        'IDN_OAUTH2_AUTHORIZATION_CODE.STATE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.TOKEN_ID',
        'IDN_OAUTH2_AUTHORIZATION_CODE.SUBJECT_IDENTIFIER',
        'IDN_OAUTH2_AUTHORIZATION_CODE.PKCE_CODE_CHALLENGE',
        'IDN_OAUTH2_AUTHORIZATION_CODE.PKCE_CODE_CHALLENGE_METHOD',
        'IDN_OAUTH2_AUTHORIZATION_CODE.AUTHORIZATION_CODE_HASH') THEN 1 ELSE 0 END AS known
      FROM (
        SELECT TABLE_NAME + '.' + COLUMN_NAME AS name FROM INFORMATION_SCHEMA.COLUMNS
        WHERE TABLE_SCHEMA = 'dbo' AND TABLE_NAME IN (
          'IDN_OAUTH2_ACCESS_TOKEN',
          'IDN_OAUTH2_AUTHORIZATION_CODE')) AS n) AS c;
    IF @changed IS NULL AND COALESCE(@known, 0) <> 35
      SET @changed = N'a column or table is gone';
    IF @changed IS NULL AND EXISTS (SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'dbo' AND (
        TABLE_NAME = 'IDN_OAUTH2_ACCESS_TOKEN' AND COLUMN_NAME = 'TOKEN_ID'
          AND DATA_TYPE + '(' + CAST(CHARACTER_MAXIMUM_LENGTH AS VARCHAR(11)) + ')' <> 'varchar(255)' OR
        TABLE_NAME = 'IDN_OAUTH2_AUTHORIZATION_CODE' AND COLUMN_NAME = 'CODE_ID'
          AND DATA_TYPE + '(' + CAST(CHARACTER_MAXIMUM_LENGTH AS VARCHAR(11)) + ')' <> 'varchar(255)'))
      SET @changed = N'a key has another type';
    IF @changed IS NULL
      SELECT @known = SUM(k.known), @changed = MIN(CASE k.known WHEN 0 THEN k.name END) + N' is new'
      FROM (
        SELECT r.name, CASE WHEN r.name IN (
          'IDN_OAUTH2_ACCESS_TOKEN_SCOPE to IDN_OAUTH2_ACCESS_TOKEN on delete CASCADE',
          'IDN_OIDC_REQ_OBJECT_CLAIMS to IDN_OIDC_REQ_OBJECT_REFERENCE on delete CASCADE',
          'IDN_OIDC_REQ_OBJECT_REFERENCE to IDN_OAUTH2_ACCESS_TOKEN on delete NO ACTION',
          'IDN_OIDC_REQ_OBJECT_REFERENCE to IDN_OAUTH2_AUTHORIZATION_CODE on delete NO ACTION',
          'IDN_OIDC_REQ_OBJ_CLAIM_VALUES to IDN_OIDC_REQ_OBJECT_CLAIMS on delete CASCADE') THEN 1 ELSE 0 END AS known
        FROM (
          SELECT OBJECT_NAME(f.parent_object_id) + ' to ' + OBJECT_NAME(f.referenced_object_id) + ' on delete '
            + CASE f.delete_referential_action WHEN 1 THEN 'CASCADE' WHEN 2 THEN 'SET NULL' WHEN 3 THEN 'SET DEFAULT' ELSE 'NO ACTION' END AS name
          FROM sys.foreign_keys AS f
          WHERE f.is_disabled = 0 AND f.schema_id = SCHEMA_ID('dbo') AND f.referenced_object_id IN (
            OBJECT_ID(N'[dbo].[IDN_OAUTH2_ACCESS_TOKEN]'),
            OBJECT_ID(N'[dbo].[IDN_OAUTH2_ACCESS_TOKEN_SCOPE]'),
            OBJECT_ID(N'[dbo].[IDN_OIDC_REQ_OBJECT_REFERENCE]'),
            OBJECT_ID(N'[dbo].[IDN_OIDC_REQ_OBJECT_CLAIMS]'),
            OBJECT_ID(N'[dbo].[IDN_OIDC_REQ_OBJ_CLAIM_VALUES]'),
            OBJECT_ID(N'[dbo].[IDN_OAUTH2_AUTHORIZATION_CODE]'))) AS r) AS k;
    IF @changed IS NULL AND COALESCE(@known, 0) <> 5
      SET @changed = N'a foreign key is gone';
    IF @changed IS NULL AND EXISTS (SELECT 1 FROM sys.triggers AS g JOIN sys.trigger_events AS e ON e.object_id = g.object_id
      WHERE e.type_desc = 'DELETE' AND g.is_instead_of_trigger = 1 AND g.is_disabled = 0 AND g.parent_id IN (
        OBJECT_ID(N'[dbo].[IDN_OAUTH2_ACCESS_TOKEN]'),
        OBJECT_ID(N'[dbo].[IDN_OAUTH2_AUTHORIZATION_CODE]')))
      SET @changed = N'a trigger runs instead of deletes';
    SET @message = N'generate this procedure again, or call it as a user who has VIEW DEFINITION on the schema: ' + @changed;
  END;

  -- The same lock as that of tokensweep clean.
  IF @message IS NULL AND @dry_run = 0
  BEGIN
    EXEC @got = sp_getapplock @Resource = @lock, @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 5000;
    IF @got < 0
      SET @message = N'another clean-up of schema dbo is under way: wait for it to end';
  END;
  IF @message IS NOT NULL
  BEGIN
    SET @message = N'tokensweep: ' + @message;
    THROW 50000, @message, 1;
  END;

  -- 2. Clean.
  SET @cut_off = COALESCE(@cut_off, DATEADD(SECOND, -@safe_period, CAST(CONVERT(CHAR(19), SYSUTCDATETIME(), 120) AS DATETIME2(0))));
  BEGIN TRY
    IF @dry_run = 0
    BEGIN
      -- Under the run lock, a row without an end is of a run whose session was lost.
      UPDATE [dbo].[TOKENSWEEP_RUNS] SET ENDED_AT = CONVERT(CHAR(19), SYSUTCDATETIME(), 120), OUTCOME = N'failed: its session was lost'
      WHERE ENDED_AT IS NULL;
      INSERT INTO [dbo].[TOKENSWEEP_RUNS] (RUN_ID, PHASE, POLICY, CUT_OFF, AUDIT, STARTED_AT, ENDED_AT, EXAMINED, REMOVED, AUDITED, BATCHES, OUTCOME) VALUES
        (@run_id, 'tokens', @policy, CONVERT(CHAR(19), @cut_off, 120), @audit, CONVERT(CHAR(19), SYSUTCDATETIME(), 120), NULL, 0, 0, 0, 0, N'running'),
        (@run_id, 'authorization codes', @policy, CONVERT(CHAR(19), @cut_off, 120), @audit, CONVERT(CHAR(19), SYSUTCDATETIME(), 120), NULL, 0, 0, 0, 0, N'running');
    END;

    -- With more keys, the locks of one statement would become one on the whole table.
    IF @batch > 642
      SET @batch = 642;

    -- tokens, in the order of their primary key.
    IF @stopped IS NULL
    BEGIN
      IF @dry_run = 0
        UPDATE [dbo].[TOKENSWEEP_RUNS] SET STARTED_AT = CONVERT(CHAR(19), SYSUTCDATETIME(), 120) WHERE RUN_ID = @run_id AND PHASE = 'tokens';
      SET @size = @batch;
      SET @tokens_from = (
        SELECT RTRIM([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID])
          FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN]
          ORDER BY [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID]
          OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY);
      WHILE @tokens_from IS NOT NULL
      BEGIN
        IF @max_seconds > 0 AND DATEDIFF(SECOND, @started, SYSUTCDATETIME()) >= @max_seconds
        BEGIN
          SET @stopped = N'the time limit of ' + CAST(@max_seconds AS NVARCHAR(11)) + N' s';
          BREAK;
        END;

        -- How far the next keys reach, and whether there is anything to remove among them.
        SELECT @keys = c.examined, @hits = c.removable, @tokens_through = c.through
        FROM (
          SELECT COUNT(*), COALESCE(SUM(w.hit), 0), MAX(w.id)
            FROM (SELECT RTRIM([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID]) AS id, CASE WHEN (@policy = 'documented'
                AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.',
                    'EXPIRED.')
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                  AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))
                OR @policy = 'strict'
                AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.')
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('EXPIRED.')
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                  AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))) THEN 1 ELSE 0 END AS hit
              FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN]
              WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] >= @tokens_from
              ORDER BY [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID]
              OFFSET 0 ROWS FETCH NEXT @size ROWS ONLY) AS w) AS c (examined, removable, through);
        SET @attempts = 0;
        SET @again = 0;
        IF @dry_run = 1
        BEGIN
          SET @tokens_removed = @tokens_removed + @hits;
          SET @hits = 0;
        END;
        WHILE @hits > 0
        BEGIN
          BEGIN TRY
            BEGIN TRANSACTION;
            SET @at = REPLACE(CONVERT(CHAR(19), SYSUTCDATETIME(), 120), ' ', 'T');
            SET @locked = (
              SELECT COUNT(*)
                FROM (SELECT [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID]
                  FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN] WITH (UPDLOCK, ROWLOCK)
                  WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] >= @tokens_from
                  AND [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] <= @tokens_through
                  AND (@policy = 'documented'
                    AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.',
                        'EXPIRED.')
                      OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                      AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                      THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                        CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                      AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                        OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                        OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                        THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                          CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))
                    OR @policy = 'strict'
                    AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.')
                      OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('EXPIRED.')
                      AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                        OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                        OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                        THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                          CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)
                      OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                      AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                      THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                        CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                      AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                        OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                        OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                        THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                          CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)))) AS w);
            DELETE [IDN_OIDC_REQ_OBJECT_REFERENCE]
              FROM [dbo].[IDN_OIDC_REQ_OBJECT_REFERENCE] AS [IDN_OIDC_REQ_OBJECT_REFERENCE]
              JOIN [dbo].[IDN_OAUTH2_ACCESS_TOKEN] AS [IDN_OAUTH2_ACCESS_TOKEN] ON [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] = [IDN_OIDC_REQ_OBJECT_REFERENCE].[TOKEN_ID]
              WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] >= @tokens_from
              AND [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] <= @tokens_through
              AND (@policy = 'documented'
                AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.',
                    'EXPIRED.')
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                  AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))
                OR @policy = 'strict'
                AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.')
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('EXPIRED.')
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                  AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)));
            DELETE
              FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN] WITH (UPDLOCK, ROWLOCK)
              WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] >= @tokens_from
              AND [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] <= @tokens_through
              AND (@policy = 'documented'
                AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.',
                    'EXPIRED.')
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                  AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))
                OR @policy = 'strict'
                AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.')
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('EXPIRED.')
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)
                  OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                  AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                  AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                    OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                    OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                    THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                      CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)));
            SET @removed = @@ROWCOUNT;
            IF @removed <> @locked
            BEGIN
              -- A row became removable after the others were locked: it would be gone without what belongs to it. Half the keys are done in
              -- half the time, so the chance for that falls with the square of their number.
              ROLLBACK TRANSACTION;
              SET @taken_back = @taken_back + 1;
              SET @mismatches = CASE WHEN @keys > 1 THEN 0 ELSE @mismatches + 1 END;
              IF @mismatches >= 3
              BEGIN;
                THROW 50001, N'tokensweep: a row alone was rolled back 3 times in a row: something changes it without pause, call again at a quieter time', 1;
              END;
              SET @size = CASE WHEN @keys > 1 THEN @keys / 2 ELSE 1 END;
              SET @again = 1;
              SET @hits = 0;
              CONTINUE;
            END;
            UPDATE [dbo].[TOKENSWEEP_RUNS] SET EXAMINED = @tokens_examined + @keys, REMOVED = REMOVED + @removed,
              BATCHES = BATCHES + CASE WHEN @removed > 0 THEN 1 ELSE 0 END
            WHERE RUN_ID = @run_id AND PHASE = 'tokens';
            COMMIT TRANSACTION;
            SET @tokens_removed = @tokens_removed + @removed;
            SET @tokens_batches = @tokens_batches + CASE WHEN @removed > 0 THEN 1 ELSE 0 END;
            SET @hits = 0;
          END TRY
          BEGIN CATCH
            -- A deadlock, a lock not had in time, a row changed under snapshot isolation: the batch again.
            SET @error = ERROR_NUMBER();
            IF XACT_STATE() <> 0
              ROLLBACK TRANSACTION;
            SET @attempts = @attempts + 1;
            IF @attempts >= 10 OR @error NOT IN (1204, 1205, 1222, 3960)
            BEGIN;
              THROW;
            END;
            SET @deadlocks = @deadlocks + CASE WHEN @error IN (1205, 3960) THEN 1 ELSE 0 END;
            SET @timeouts = @timeouts + CASE WHEN @error IN (1204, 1222) THEN 1 ELSE 0 END;
          END CATCH;
        END;
        IF @again = 0
        BEGIN
          SET @tokens_examined = @tokens_examined + @keys;
          SET @size = CASE WHEN 2 * @size < @batch THEN 2 * @size ELSE @batch END;
          SET @mismatches = 0;
          SET @tokens_from = (
            SELECT RTRIM([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID])
              FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN]
              WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] > @tokens_through
              ORDER BY [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID]
              OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY);
        END;
      END;
      IF @dry_run = 0
        UPDATE [dbo].[TOKENSWEEP_RUNS] SET EXAMINED = @tokens_examined, ENDED_AT = CONVERT(CHAR(19), SYSUTCDATETIME(), 120),
          OUTCOME = COALESCE(N'stopped: ' + @stopped, N'done')
        WHERE RUN_ID = @run_id AND PHASE = 'tokens';
    END;

    -- authorization codes, in the order of their primary key.
    IF @stopped IS NULL
    BEGIN
      IF @dry_run = 0
        UPDATE [dbo].[TOKENSWEEP_RUNS] SET STARTED_AT = CONVERT(CHAR(19), SYSUTCDATETIME(), 120) WHERE RUN_ID = @run_id AND PHASE = 'authorization codes';
      SET @size = @batch;
      SET @codes_from = (
        SELECT RTRIM([IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID])
          FROM [dbo].[IDN_OAUTH2_AUTHORIZATION_CODE]
          ORDER BY [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID]
          OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY);
      WHILE @codes_from IS NOT NULL
      BEGIN
        IF @max_seconds > 0 AND DATEDIFF(SECOND, @started, SYSUTCDATETIME()) >= @max_seconds
        BEGIN
          SET @stopped = N'the time limit of ' + CAST(@max_seconds AS NVARCHAR(11)) + N' s';
          BREAK;
        END;

        -- How far the next keys reach, and whether there is anything to remove among them.
        SELECT @keys = c.examined, @hits = c.removable, @codes_through = c.through
        FROM (
          SELECT COUNT(*), COALESCE(SUM(w.hit), 0), MAX(w.id)
            FROM (SELECT RTRIM([IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID]) AS id, CASE WHEN (NOT EXISTS (SELECT 1
                  FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN]
                  WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] = [IDN_OAUTH2_AUTHORIZATION_CODE].[TOKEN_ID]
                  AND CASE WHEN (@policy = 'documented'
                    AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.',
                        'EXPIRED.')
                      OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                      AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                      THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                        CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                      AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                        OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                        OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                        THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                          CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))
                    OR @policy = 'strict'
                    AND (([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.', 'REVOKED.')
                      OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('EXPIRED.')
                      AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                        OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                        OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                        THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                          CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)
                      OR ([IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_STATE] + '.') COLLATE Latin1_General_BIN2 IN ('ACTIVE.')
                      AND CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] < 99999999999990
                      THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[TIME_CREATED] AS DATETIME2(3)),
                        CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1
                      AND ([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] IS NULL
                        OR [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN] = ''
                        OR CASE WHEN [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] < 99999999999990
                        THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_TIME_CREATED] AS DATETIME2(3)),
                          CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_ACCESS_TOKEN].[REFRESH_TOKEN_VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))) THEN 0 ELSE 1 END = 1)
                AND (([IDN_OAUTH2_AUTHORIZATION_CODE].[STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.')
                  OR CASE WHEN [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_AUTHORIZATION_CODE].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1)) THEN 1 ELSE 0 END AS hit
              FROM [dbo].[IDN_OAUTH2_AUTHORIZATION_CODE]
              WHERE [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] >= @codes_from
              ORDER BY [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID]
              OFFSET 0 ROWS FETCH NEXT @size ROWS ONLY) AS w) AS c (examined, removable, through);
        SET @attempts = 0;
        SET @again = 0;
        IF @dry_run = 1
        BEGIN
          SET @codes_removed = @codes_removed + @hits;
          SET @hits = 0;
        END;
        WHILE @hits > 0
        BEGIN
          BEGIN TRY
            BEGIN TRANSACTION;
            SET @at = REPLACE(CONVERT(CHAR(19), SYSUTCDATETIME(), 120), ' ', 'T');
            SET @locked = (
              SELECT COUNT(*)
                FROM (SELECT [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID]
                  FROM [dbo].[IDN_OAUTH2_AUTHORIZATION_CODE] WITH (UPDLOCK, ROWLOCK)
                  WHERE [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] >= @codes_from
                  AND [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] <= @codes_through
                  AND (NOT EXISTS (SELECT 1
                      FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN]
                      WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] = [IDN_OAUTH2_AUTHORIZATION_CODE].[TOKEN_ID])
                    AND (([IDN_OAUTH2_AUTHORIZATION_CODE].[STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.')
                      OR CASE WHEN [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] < 99999999999990
                      THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_AUTHORIZATION_CODE].[TIME_CREATED] AS DATETIME2(3)),
                        CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1))) AS w);
            DELETE [IDN_OIDC_REQ_OBJECT_REFERENCE]
              FROM [dbo].[IDN_OIDC_REQ_OBJECT_REFERENCE] AS [IDN_OIDC_REQ_OBJECT_REFERENCE]
              JOIN [dbo].[IDN_OAUTH2_AUTHORIZATION_CODE] AS [IDN_OAUTH2_AUTHORIZATION_CODE] ON [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] = [IDN_OIDC_REQ_OBJECT_REFERENCE].[CODE_ID]
              WHERE [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] >= @codes_from
              AND [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] <= @codes_through
              AND (NOT EXISTS (SELECT 1
                  FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN]
                  WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] = [IDN_OAUTH2_AUTHORIZATION_CODE].[TOKEN_ID])
                AND (([IDN_OAUTH2_AUTHORIZATION_CODE].[STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.')
                  OR CASE WHEN [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_AUTHORIZATION_CODE].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1));
            DELETE
              FROM [dbo].[IDN_OAUTH2_AUTHORIZATION_CODE] WITH (UPDLOCK, ROWLOCK)
              WHERE [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] >= @codes_from
              AND [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] <= @codes_through
              AND (NOT EXISTS (SELECT 1
                  FROM [dbo].[IDN_OAUTH2_ACCESS_TOKEN]
                  WHERE [IDN_OAUTH2_ACCESS_TOKEN].[TOKEN_ID] = [IDN_OAUTH2_AUTHORIZATION_CODE].[TOKEN_ID])
                AND (([IDN_OAUTH2_AUTHORIZATION_CODE].[STATE] + '.') COLLATE Latin1_General_BIN2 IN ('INACTIVE.')
                  OR CASE WHEN [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] >= 0 AND [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] < 99999999999990
                  THEN CASE WHEN DATEDIFF_BIG(MILLISECOND, CAST([IDN_OAUTH2_AUTHORIZATION_CODE].[TIME_CREATED] AS DATETIME2(3)),
                    CAST(@cut_off AS DATETIME2(0))) > [IDN_OAUTH2_AUTHORIZATION_CODE].[VALIDITY_PERIOD] THEN 1 ELSE 0 END ELSE 0 END = 1));
            SET @removed = @@ROWCOUNT;
            IF @removed <> @locked
            BEGIN
              -- A row became removable after the others were locked: it would be gone without what belongs to it. Half the keys are done in
              -- half the time, so the chance for that falls with the square of their number.
              ROLLBACK TRANSACTION;
              SET @taken_back = @taken_back + 1;
              SET @mismatches = CASE WHEN @keys > 1 THEN 0 ELSE @mismatches + 1 END;
              IF @mismatches >= 3
              BEGIN;
                THROW 50001, N'tokensweep: a row alone was rolled back 3 times in a row: something changes it without pause, call again at a quieter time', 1;
              END;
              SET @size = CASE WHEN @keys > 1 THEN @keys / 2 ELSE 1 END;
              SET @again = 1;
              SET @hits = 0;
              CONTINUE;
            END;
            UPDATE [dbo].[TOKENSWEEP_RUNS] SET EXAMINED = @codes_examined + @keys, REMOVED = REMOVED + @removed,
              BATCHES = BATCHES + CASE WHEN @removed > 0 THEN 1 ELSE 0 END
            WHERE RUN_ID = @run_id AND PHASE = 'authorization codes';
            COMMIT TRANSACTION;
            SET @codes_removed = @codes_removed + @removed;
            SET @codes_batches = @codes_batches + CASE WHEN @removed > 0 THEN 1 ELSE 0 END;
            SET @hits = 0;
          END TRY
          BEGIN CATCH
            -- A deadlock, a lock not had in time, a row changed under snapshot isolation: the batch again.
            SET @error = ERROR_NUMBER();
            IF XACT_STATE() <> 0
              ROLLBACK TRANSACTION;
            SET @attempts = @attempts + 1;
            IF @attempts >= 10 OR @error NOT IN (1204, 1205, 1222, 3960)
            BEGIN;
              THROW;
            END;
            SET @deadlocks = @deadlocks + CASE WHEN @error IN (1205, 3960) THEN 1 ELSE 0 END;
            SET @timeouts = @timeouts + CASE WHEN @error IN (1204, 1222) THEN 1 ELSE 0 END;
          END CATCH;
        END;
        IF @again = 0
        BEGIN
          SET @codes_examined = @codes_examined + @keys;
          SET @size = CASE WHEN 2 * @size < @batch THEN 2 * @size ELSE @batch END;
          SET @mismatches = 0;
          SET @codes_from = (
            SELECT RTRIM([IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID])
              FROM [dbo].[IDN_OAUTH2_AUTHORIZATION_CODE]
              WHERE [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID] > @codes_through
              ORDER BY [IDN_OAUTH2_AUTHORIZATION_CODE].[CODE_ID]
              OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY);
        END;
      END;
      IF @dry_run = 0
        UPDATE [dbo].[TOKENSWEEP_RUNS] SET EXAMINED = @codes_examined, ENDED_AT = CONVERT(CHAR(19), SYSUTCDATETIME(), 120),
          OUTCOME = COALESCE(N'stopped: ' + @stopped, N'done')
        WHERE RUN_ID = @run_id AND PHASE = 'authorization codes';
    END;
    UPDATE [dbo].[TOKENSWEEP_RUNS] SET ENDED_AT = CONVERT(CHAR(19), SYSUTCDATETIME(), 120), OUTCOME = N'stopped: ' + @stopped
    WHERE RUN_ID = @run_id AND ENDED_AT IS NULL;
  END TRY
  BEGIN CATCH
    SET @message = LEFT(N'failed: ' + ERROR_MESSAGE(), 500);
    IF XACT_STATE() <> 0
      ROLLBACK TRANSACTION;
    BEGIN TRY -- What fails here must not hide the error.
      UPDATE [dbo].[TOKENSWEEP_RUNS] SET ENDED_AT = CONVERT(CHAR(19), SYSUTCDATETIME(), 120), OUTCOME = @message
      WHERE RUN_ID = @run_id AND ENDED_AT IS NULL;
      IF @dry_run = 0
        EXEC sp_releaseapplock @Resource = @lock, @LockOwner = 'Session';
    END TRY
    BEGIN CATCH
      SET @message = NULL;
    END CATCH;
    THROW;
  END CATCH;

  -- 3. Give the lock back, and say what was done. In a dry run REMOVED is what would have been.
  IF @dry_run = 0
    EXEC sp_releaseapplock @Resource = @lock, @LockOwner = 'Session';
  SELECT @run_id AS RUN_ID, @policy AS POLICY, CONVERT(CHAR(19), @cut_off, 120) AS CUT_OFF, @audit AS AUDIT, @dry_run AS DRY_RUN,
    @tokens_examined AS TOKENS_EXAMINED, @tokens_removed AS TOKENS_REMOVED,
    @tokens_held AS TOKENS_HELD, @tokens_batches AS TOKENS_BATCHES,
    @codes_examined AS CODES_EXAMINED, @codes_removed AS CODES_REMOVED,
    @codes_held AS CODES_HELD, @codes_batches AS CODES_BATCHES,
    @deadlocks AS DEADLOCKS, @timeouts AS LOCK_TIMEOUTS, @taken_back AS MISMATCHES,
    DATEDIFF(MILLISECOND, @started, SYSUTCDATETIME()) / 1000.0 AS SECONDS, @stopped AS STOPPED;
END;
GO

SET NOEXEC OFF;
GO
