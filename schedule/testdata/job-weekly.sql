-- tokensweep schedule sqlserver: a job of SQL Server Agent that calls [dbo].[TOKENSWEEP_CLEAN]
-- every 2 weeks from 2026-12-01 01:00:00 on, in the local time of the server.
--
-- Run it in the database of the tokens: sqlcmd -b -d apim_db -i job.sql (-b ends at the first error, and nothing is made then).
-- It may be run again: it replaces the job that it made and no other. History of the former job goes with it.
-- Rights: SQLAgentUserRole in msdb. The job belongs to whoever runs this, who needs EXECUTE on the procedure.
-- Agent runs jobs in the local time of the server, summer time included. The server must have its Agent running:
-- on Windows the service SQL Server Agent, on Linux mssql-conf set sqlagent.enabled true, in a container MSSQL_AGENT_ENABLED=true.
-- Two runs never work at once: the second one finds the lock of the first and fails; it is tried again 2 times, 10 minutes apart.
SET NOCOUNT ON;
DECLARE @edition INT = CAST(SERVERPROPERTY(N'EngineEdition') AS INT);
IF @edition = 4
    THROW 50401, N'this is SQL Server Express, which has no SQL Server Agent: use tokensweep schedule cron, systemd or kubernetes, or the task scheduler of Windows', 1;
IF @edition = 5
    THROW 50401, N'this is Azure SQL Database, which has no SQL Server Agent: use an elastic job that calls the procedure, or tokensweep schedule kubernetes', 1;
IF @edition IN (6, 11, 12) OR CAST(SERVERPROPERTY(N'Babelfish') AS INT) = 1
    THROW 50401, N'this server has no SQL Server Agent: use tokensweep schedule cron, systemd or kubernetes', 1;
IF OBJECT_ID(N'msdb.dbo.sp_add_job') IS NULL
    THROW 50401, N'this login may not use SQL Server Agent: add a user for it in msdb to the role SQLAgentUserRole', 1;
IF DB_NAME() IN (N'master', N'model', N'msdb', N'tempdb')
    THROW 50402, N'this session is in a system database: USE the database of the tokens first', 1;
IF OBJECT_ID(N'[dbo].[TOKENSWEEP_CLEAN]', N'P') IS NULL
    THROW 50403, N'the procedure [dbo].[TOKENSWEEP_CLEAN] is not in this database, or this login may not see it: make it with tokensweep procedure sqlserver first', 1;
GO
SET NOCOUNT, XACT_ABORT ON;
DECLARE @job SYSNAME = N'TOKENSWEEP_CLEAN_JOB', @database SYSNAME = DB_NAME(), @id UNIQUEIDENTIFIER, @schedule INT;
IF EXISTS (SELECT 1 FROM msdb.dbo.sysjobs_view WHERE name = @job AND COALESCE(description, N'') NOT LIKE N'tokensweep schedule' + N'%')
    THROW 50404, N'there is a job of that name that tokensweep did not make: choose another with --name; it was not touched', 1;

-- The wall clock of the first run, in the local time of the server.
DECLARE @starts DATETIME2(0) = N'2026-12-01T01:00:00';
DECLARE @day DATE = @starts, @second INT = DATEDIFF(SECOND, CAST(CAST(@starts AS DATE) AS DATETIME2(0)), @starts);
DECLARE @date INT = CAST(CONVERT(CHAR(8), @day, 112) AS INT);
DECLARE @time INT = @second / 3600 * 10000 + @second / 60 % 60 * 100 + @second % 60;
DECLARE @weekday INT = POWER(2, (DATEPART(WEEKDAY, @day) + @@DATEFIRST - 1) % 7); -- 1 is Sunday, 64 is Saturday

BEGIN TRY
    BEGIN TRANSACTION;
    IF EXISTS (SELECT 1 FROM msdb.dbo.sysjobs_view WHERE name = @job)
        EXEC msdb.dbo.sp_delete_job @job_name = @job, @delete_unused_schedule = 1;
    EXEC msdb.dbo.sp_add_job @job_name = @job, @enabled = 1, @notify_level_eventlog = 2,
        @description = N'tokensweep schedule: cleans up OAuth2 tokens every 2 weeks', @job_id = @id OUTPUT;
    EXEC msdb.dbo.sp_add_jobstep @job_id = @id, @step_name = N'clean', @subsystem = N'TSQL', @database_name = @database,
        @command = N'EXEC [dbo].[TOKENSWEEP_CLEAN] @policy = ''strict'', @safe_period = 14400, @cut_off = NULL, @batch = 500, @sleep = 0.250, @max_seconds = 1800, @audit = 1, @dry_run = 0',
        @on_success_action = 1, @on_fail_action = 2, @retry_attempts = 2, @retry_interval = 10;
    EXEC msdb.dbo.sp_add_schedule @schedule_name = @job, @enabled = 1, @freq_type = 8, @freq_interval = @weekday,
        @freq_subday_type = 1, @freq_subday_interval = 0, @freq_recurrence_factor = 2,
        @active_start_date = @date, @active_start_time = @time, @schedule_id = @schedule OUTPUT;
    EXEC msdb.dbo.sp_attach_schedule @job_id = @id, @schedule_id = @schedule;
    EXEC msdb.dbo.sp_add_jobserver @job_id = @id, @server_name = N'(local)';
    COMMIT;
END TRY
BEGIN CATCH
    IF XACT_STATE() <> 0 ROLLBACK;
    THROW;
END CATCH;
GO
