INSERTBULK {"TableName":"[dbo].[IDN_OAUTH2_ACCESS_TOKEN]","ColumnsName":["TOKEN_ID","TOKEN_STATE"],"Options":{"CheckConstraints":true,"FireTriggers":false,"KeepNulls":true,"KilobytesPerBatch":0,"RowsPerBatch":0,"Order":null,"Tablock":true}};

