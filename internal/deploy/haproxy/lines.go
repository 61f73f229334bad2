package haproxy

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"time"

	"mlx/internal/deploy/router"
)

// mark begins what a log line says to mlx, wherever it stands in the line: whoever looks after HAProxy may log more before it.
const mark = "mlx1 "

// logFormat is what a line says: the process of HAProxy; backend, server and its address; status; time in a queue and for the connection,
// in milliseconds; when the request was given to the backend and when all was over, in microseconds; how it ended; how often it was tried
// again; bytes of the request and of the answer.
const logFormat = mark + "%pid %b %s %si:%sp %ST %Tw %Tc %[var(txn.mlx_at)] %[date(0,us)] %tsc %rc %U %B"

// setTime is the line of the backend that notes when it was given a request.
const setTime = "http-request set-var(txn.mlx_at) date(0,us)"

// maxDatagram is how many bytes of a datagram are looked at.
const maxDatagram = 8 << 10

// line is one request that HAProxy is done with.
type line struct {
	pid     string
	server  string // name of its slot; empty: none was found for it
	address string
	outcome router.Outcome
	// refused: by HAProxy itself, before any server was needed.
	refused bool
}

const numFields = 13

// parseLine reads a datagram of syslog, RFC 3164 or any other frame. formed: it says something to mlx; other backends have lines too.
func parseLine(datagram []byte, backend string) (l line, formed, mine bool) {
	i := bytes.Index(datagram, []byte(mark))
	if i < 0 {
		return l, false, false
	}
	fields := strings.Fields(string(datagram[i+len(mark):]))
	if len(fields) < numFields {
		return l, false, false
	}
	if fields[1] != backend {
		return l, true, false
	}
	status, err := strconv.Atoi(fields[4])
	if err != nil || status < -1 || status > 999 || len(fields[9]) < 2 {
		return l, false, false
	}
	l.pid = fields[0]
	if fields[2] != "<NOSRV>" {
		l.server = fields[2]
		if host, port, err := net.SplitHostPort(fields[3]); err == nil {
			l.address = net.JoinHostPort(host, port)
		} else {
			l.address = fields[3]
		}
	}
	l.read(status, fields[9])
	l.outcome.Latency = latency(fields)
	return l, true, true
}

// read says what became of the request, by its status and by the first two letters of how it ended: who ended it, and where it was.
func (l *line) read(status int, end string) {
	switch {
	case end[0] == 'C' || end[0] == 'c' || end[0] == 'K':
		l.outcome.Left = true
	case end[0] == 'S' || end[0] == 's':
		l.outcome.Failed, l.outcome.Broke = true, end[0] == 'S'
	case status >= 500 || status <= 0:
		l.outcome.Failed = true
	case l.server == "":
		l.refused = true // 400 and the like, by HAProxy itself
	}
}

// longest is the longest time that is believed.
const longest = 24 * time.Hour

// latency is from when the backend was given the whole request, or as much of it as HAProxy holds, to the last byte of the answer, without the
// time in a queue and that for a connection.
func latency(fields []string) time.Duration {
	number := func(i int) int64 {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	from, to := number(7), number(8)
	if from <= 0 || to < from || to-from > longest.Microseconds() {
		return 0
	}
	waited := max(number(5), 0) + max(number(6), 0)
	return max(time.Duration(to-from)*time.Microsecond-time.Duration(min(waited, longest.Milliseconds()))*time.Millisecond, 0)
}
