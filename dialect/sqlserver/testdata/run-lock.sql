-- @p1 = VARCHAR 'tokensweep-0123'
DECLARE @lock NVARCHAR(255) = @p1 + N'-' + DB_NAME(); DECLARE @got INT; EXEC @got = sp_getapplock @Resource = @lock, @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 5000; SELECT CASE WHEN @got >= 0 THEN 1 ELSE 0 END;

-- @p1 = VARCHAR 'tokensweep-0123'
DECLARE @lock NVARCHAR(255) = @p1 + N'-' + DB_NAME(); EXEC sp_releaseapplock @Resource = @lock, @LockOwner = 'Session';

