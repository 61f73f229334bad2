//go:build interop

package sink

import (
	"fmt"
	"os"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestRabbit sends rows to a real RabbitMQ and takes them out of a queue by its own client. .ci/rabbit starts one.
func TestRabbit(t *testing.T) {
	url := os.Getenv("RABBIT_SERVER_URL")
	if url == "" {
		t.Fatal("RABBIT_SERVER_URL names no server: .ci/rabbit up; eval \"$(.ci/rabbit env)\"")
	}
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	const exchange = "mlx-predictions"
	to, err := Open("rabbit://"+exchange, "flights")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]byte
	for i := range 1000 {
		rows = append(rows, fmt.Appendf(nil, `{"seq":%d,"id":"r-%d"}`, i+1, i))
	}
	// The exchange is not there yet: nothing is taken, and it is tried again later.
	if unsent, err := to.Send(t.Context(), rows); len(unsent) != len(rows) || err == nil {
		t.Errorf("without an exchange %d are unsent, %v", len(unsent), err)
	}
	if err := ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil); err != nil {
		t.Fatal(err)
	}
	queue, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(queue.Name, "", exchange, false, nil); err != nil {
		t.Fatal(err)
	}
	came, err := ch.Consume(queue.Name, "", true, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for tries := 0; len(rows) > 0 && tries < 20; tries++ {
		if rows, err = to.Send(t.Context(), rows); err != nil {
			t.Logf("try %d: %d unsent, %v", tries+1, len(rows), err)
		}
	}
	if len(rows) > 0 {
		t.Fatalf("%d rows were never taken", len(rows))
	}
	got := map[string]bool{}
	for len(got) < 1000 {
		m, ok := <-came
		if !ok {
			t.Fatalf("the queue ended after %d rows", len(got))
		}
		if m.Headers["service"] != "flights" {
			t.Errorf("%v", m.Headers)
		}
		got[string(m.Body)] = true
	}
	if err := to.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
