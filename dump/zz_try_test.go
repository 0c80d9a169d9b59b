package dump

import (
	"context"
	"database/sql"
	"fmt"
	_ "github.com/go-sql-driver/mysql"
	"os"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	for _, p := range []string{os.Getenv("F")} {
		i, err := Inspect(context.Background(), p, Options{Schema: os.Getenv("S")})
		fmt.Printf("%+v\n%v\n", i, err)
		if os.Getenv("DSN") != "" {
			db, _ := sql.Open("mysql", os.Getenv("DSN")+"/")
			db.Exec("drop database if exists try")
			if _, err := db.Exec("create database try"); err != nil {
				t.Fatal(err)
			}
			db, _ = sql.Open("mysql", os.Getenv("DSN")+"/try")
			s := time.Now()
			i, err = Restore(context.Background(), db, p, Options{Inspected: i, Schema: os.Getenv("S"), Log: func(f string, a ...any) { fmt.Printf(f+"\n", a...) }})
			fmt.Printf("%+v\n%v\n%v\n", i, err, time.Since(s))
		}
	}
}
