package sink

import (
	"context"
	"testing"
	"time"

	"gocloud.dev/pubsub/mempubsub"

	"mlx/internal/fault"
)

// TestSend: each row is a message.
func TestSend(t *testing.T) {
	topic := mempubsub.NewTopic()
	sub := mempubsub.NewSubscription(topic, time.Minute)
	defer sub.Shutdown(context.Background())
	to := New(topic, "flights")
	rows := [][]byte{[]byte(`{"id":"1"}`), []byte(`{"id":"2"}`), []byte(`{"id":"3"}`)}
	if unsent, err := to.Send(t.Context(), rows); len(unsent) > 0 || err != nil {
		t.Fatal(unsent, err)
	}
	got := map[string]bool{}
	for range rows {
		m, err := sub.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m.Ack()
		if m.Metadata["service"] != "flights" {
			t.Errorf("%v", m.Metadata)
		}
		got[string(m.Body)] = true
	}
	for _, row := range rows {
		if !got[string(row)] {
			t.Errorf("%s never came", row)
		}
	}
	if err := to.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	unsent, err := to.Send(t.Context(), rows)
	if len(unsent) != 3 || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("after the end: %d unsent, %v", len(unsent), err)
	}
}

// TestAddresses: what is no topic is refused; a broker that is not there is tried again, and it is said which one is missing.
func TestAddresses(t *testing.T) {
	t.Setenv("KAFKA_BROKERS", "127.0.0.1:1")
	t.Setenv("RABBIT_SERVER_URL", "")
	for _, address := range []string{"mem://x", "http://x", "x", ":"} {
		if _, err := Open(address, "flights"); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", address, err)
		}
	}
	rows := [][]byte{[]byte("{}")}
	for address, want := range map[string]fault.Kind{"rabbit://x": fault.Usage, "kafka://x": fault.Unavailable} {
		to, err := Open(address, "flights")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if unsent, err := to.Send(t.Context(), rows); len(unsent) != 1 || fault.KindOf(err) != want {
				t.Errorf("%s: %v", address, err)
			}
		}
		if err := to.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
