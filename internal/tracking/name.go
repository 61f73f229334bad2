package tracking

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// newName makes a name for a run that has none: "calm-swan-183".
func newName() string {
	adjectives, nouns := strings.Fields(adjectiveWords), strings.Fields(nounWords)
	return fmt.Sprintf("%s-%s-%d", adjectives[rand.IntN(len(adjectives))], nouns[rand.IntN(len(nouns))], rand.IntN(1000))
}

const (
	adjectiveWords = "able amber bold brave bright brisk calm clever crisp curious deft eager early fair fancy fleet fond frank " +
		"fresh gentle glad golden grand happy hardy humble jolly keen kind lively lucky mellow merry mild modest neat " +
		"nimble noble patient placid polite proud quick quiet rapid ready robust rosy serene sharp shiny silent smooth " +
		"snug solid spry steady stout subtle sunny sure swift tidy upbeat valiant vivid warm wise witty zesty"
	nounWords = "ant badger bat bear beaver bee bison boar cat cod crab crane crow deer dingo dog dove duck eagle eel elk " +
		"falcon finch fox frog gecko goat goose gull hare hawk heron horse hound ibis jay kiwi koala lark lemur lion " +
		"llama lynx magpie marten mole moose moth mouse newt otter owl panda perch pike pony puffin quail ram raven " +
		"robin rook seal shark sheep shrew skunk sloth snail sole stag stork swan swift tapir tern tiger toad trout " +
		"vole wasp whale wolf wren yak zebra"
)
