package dump
import ("testing";"os";"io")
func BenchmarkFile(b *testing.B){
 f,_:=os.ReadFile(os.Getenv("F")); b.SetBytes(int64(len(f)))
 for b.Loop(){ r,_:=os.Open(os.Getenv("F")); s:=newSplitter(r,keepStatement,func(int64,string){}); for { _,err:=s.next(); if err==io.EOF{break}; if err!=nil {b.Fatal(err)} }; r.Close() }
}
