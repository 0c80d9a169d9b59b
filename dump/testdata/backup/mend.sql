-- {state:ONLINE access:MULTI_USER readOnly:false snapshot:1}
-- {state:ONLINE access:SINGLE_USER readOnly:true snapshot:0}
ALTER DATABASE [tokensweep_1] SET MULTI_USER
ALTER DATABASE [tokensweep_1] SET READ_WRITE
ALTER DATABASE [tokensweep_1] SET ALLOW_SNAPSHOT_ISOLATION ON
