RESTORE DATABASE [tokensweep_1] FROM DISK = N'/var/opt/mssql/backup/prod.bak'
WITH FILE = 1,
     MOVE N'WSO2AM_DB' TO N'/var/opt/mssql/data/tokensweep_1_1.mdf',
     MOVE N'WSO2AM_DB_log' TO N'/var/opt/mssql/log/tokensweep_1_2.ldf',
     RECOVERY, STATS = 5
