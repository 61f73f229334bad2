package audit

import (
	"fmt"
	"testing"
)

func BenchmarkRows(b *testing.B) {
	e := testEncoder(Masked)
	body := []byte(`{"dataframe_split":{"columns":["month","day","hour","distance","dep_delay","taxi_out","carrier","origin","dest","wind","temp","visibility"],"data":[[1,2,3,444,55.5,66.6,"AA","JFK","LAX",7.77,8.8,9.9]]}}`)
	var buf []byte
	b.ReportAllocs()
	for i := range b.N {
		p := Prediction{ID: fmt.Sprint(i), At: noon, Word: "user-7", Status: 200, Schema: "ok", Release: &Release{Key: "k1"}, Request: Body{Type: "application/json", Bytes: body},
			Answer: Body{Type: "application/json", Bytes: []byte(`{"predictions":[0.1234]}`)}}
		buf, _ = e.rows(buf[:0], 1, &p)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkFrame(b *testing.B) {
	e := testEncoder(Masked)
	var buf, out []byte
	for i := range 1000 {
		p := flight("x", i)
		buf, _ = e.rows(buf, uint64(i+1), &p)
	}
	c, _ := newCodec()
	info := frameInfo{first: 1, requests: 1000, rows: 1000}
	b.SetBytes(int64(len(buf)))
	for range b.N {
		out, _ = c.frame(out[:0], buf, &info)
	}
}

func BenchmarkHead(b *testing.B) {
	e := testEncoder(Masked)
	p := flight("x", 5)
	buf, _ := e.rows(nil, 1, &p)
	b.ReportAllocs()
	for range b.N {
		headOf(buf)
	}
}
