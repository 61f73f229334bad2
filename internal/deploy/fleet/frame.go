package fleet

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Greeting is the line that a relay begins with. What a shell prints before it, as a word of the day, is passed over.
const Greeting = "mlx-service-relay 1"

// Bounds of what is read.
const (
	maxFrame    = 32 << 20
	maxGreeting = 64 << 10
)

// writeFrame writes a value with its length before it.
func writeFrame(w io.Writer, mu *sync.Mutex, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(text) > maxFrame {
		return fmt.Errorf("a message of %d bytes is longer than %d", len(text), maxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(len(text)))
	mu.Lock()
	defer mu.Unlock()
	_, err = w.Write(append(frame, text...))
	return err
}

// readFrame reads a value. Memory grows with what arrives, not with what a length says.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n > maxFrame {
		return fmt.Errorf("a message of %d bytes is longer than %d", n, maxFrame)
	}
	text, err := io.ReadAll(io.LimitReader(r, n))
	if err != nil {
		return err
	}
	if int64(len(text)) < n {
		return io.ErrUnexpectedEOF
	}
	return json.Unmarshal(text, v)
}

// greeted reads up to the greeting.
func greeted(r *bufio.Reader) error {
	left := maxGreeting
	var said string
	for {
		line, err := r.ReadSlice('\n')
		if left -= len(line); left < 0 {
			return errors.New("it says too much, and not that it is mlx")
		}
		switch {
		case err == nil && strings.TrimRight(string(line), "\r\n") == Greeting:
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil:
			said = strings.TrimSpace(string(line))
			continue
		case errors.Is(err, io.EOF) && said != "":
			return fmt.Errorf("it says %.200q, and not that it is mlx", said)
		}
		return err
	}
}
