// Package sink hides how rows of the log of predictions get to a broker: Kafka, or RabbitMQ.
package sink

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"

	"gocloud.dev/pubsub"
	_ "gocloud.dev/pubsub/kafkapubsub"  // kafka://TOPIC, of the brokers in $KAFKA_BROKERS
	_ "gocloud.dev/pubsub/rabbitpubsub" // rabbit://EXCHANGE, of the server in $RABBIT_SERVER_URL

	"mlx/internal/fault"
)

// Topic is where rows go. It implements audit.Sender, for one goroutine.
type Topic struct {
	address string
	topic   *pubsub.Topic // nil: the broker was not reached yet
	service string
}

// Schemes are the kinds of address that Open knows.
func Schemes() []string { return []string{"kafka", "rabbit"} }

// Open takes the address of a topic: kafka://TOPIC or rabbit://EXCHANGE. Which broker is meant is said by the environment, as it is for other
// programs that use the Go CDK: KAFKA_BROKERS, RABBIT_SERVER_URL. It is reached when the first rows go, again and again until it answers. A
// topic or exchange is not made.
func Open(address, service string) (*Topic, error) {
	u, err := url.Parse(address)
	if err != nil || !slices.Contains(Schemes(), u.Scheme) {
		return nil, fault.New(fault.Usage, "cannot send predictions on to %q: it is no address of a topic", address).
			Hint("sink: kafka://TOPIC or rabbit://EXCHANGE")
	}
	return &Topic{address: address, service: service}, nil
}

// reach opens the topic.
func (t *Topic) reach(ctx context.Context) error {
	if t.topic != nil {
		return nil
	}
	topic, err := pubsub.OpenTopic(ctx, t.address)
	if err != nil {
		kind := fault.Unavailable
		if strings.Contains(err.Error(), "environment variable not set") {
			kind = fault.Usage
		}
		return fault.New(kind, "cannot reach %s: %w", t.address, err)
	}
	t.topic = topic
	return nil
}

// New is a Topic of any driver of the Go CDK.
func New(topic *pubsub.Topic, service string) *Topic { return &Topic{topic: topic, service: service} }

// many is how many rows are under way at a time. The drivers put those that wait together.
const many = 200

// Send implements audit.Sender. Each row is a message, with the name of the service beside it.
func (t *Topic) Send(ctx context.Context, rows [][]byte) ([][]byte, error) {
	if err := t.reach(ctx); err != nil {
		return rows, err
	}
	var mu sync.Mutex
	var unsent [][]byte
	var failed error
	var all sync.WaitGroup
	room := make(chan struct{}, many)
	for _, row := range rows {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			err := t.topic.Send(ctx, &pubsub.Message{Body: row, Metadata: map[string]string{"service": t.service}})
			if err == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			unsent = append(unsent, row)
			failed = err
		})
	}
	all.Wait()
	if failed != nil {
		failed = fault.New(fault.Unavailable, "%w", failed)
	}
	return unsent, failed
}

// Close ends the connection to the broker.
func (t *Topic) Close(ctx context.Context) error {
	if t.topic == nil {
		return nil
	}
	err := t.topic.Shutdown(ctx)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
