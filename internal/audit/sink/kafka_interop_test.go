//go:build interop

package sink

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// TestKafka sends rows to a real broker of Apache Kafka and reads them by a client of its own. .ci/kafka starts one.
func TestKafka(t *testing.T) {
	brokers := os.Getenv("KAFKA_BROKERS")
	if brokers == "" {
		t.Fatal("KAFKA_BROKERS names no broker: .ci/kafka up; eval \"$(.ci/kafka env)\"")
	}
	topic := fmt.Sprintf("mlx-predictions-%d", time.Now().UnixNano())
	to, err := Open("kafka://"+topic, "flights")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]byte
	for i := range 1000 {
		rows = append(rows, fmt.Appendf(nil, `{"seq":%d,"id":"r-%d"}`, i+1, i))
	}
	// The topic is not there yet: nothing is taken, and it is tried again later.
	if unsent, err := to.Send(t.Context(), rows[:1]); len(unsent) != 1 || err == nil {
		t.Errorf("without a topic %d are unsent, %v", len(unsent), err)
	}
	admin, err := sarama.NewClusterAdmin(strings.Split(brokers, ","), sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
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
	got := read(t, brokers, topic, 1000)
	for i := range 1000 {
		if row := fmt.Sprintf(`{"seq":%d,"id":"r-%d"}`, i+1, i); !got[row] {
			t.Errorf("%s never came", row)
		}
	}
	if err := to.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// read takes so many different messages out of a topic, each of which must name the service.
func read(t *testing.T, brokers, topic string, n int) map[string]bool {
	t.Helper()
	reader, err := sarama.NewConsumer(strings.Split(brokers, ","), sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	part, err := reader.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	got, late := map[string]bool{}, time.After(2*time.Minute)
	for len(got) < n {
		select {
		case m := <-part.Messages():
			if len(m.Headers) != 1 || string(m.Headers[0].Key) != "service" || string(m.Headers[0].Value) != "flights" {
				t.Errorf("%+v", m.Headers)
			}
			got[string(m.Value)] = true
		case <-late:
			t.Fatalf("the topic ended after %d rows", len(got))
		}
	}
	return got
}
