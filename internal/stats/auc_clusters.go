package stats

import (
	"fmt"
	"math"
)

// ClusteredAUC is the area under the ROC curve of rows that come in clusters, with one-sided bounds.
type ClusteredAUC struct {
	Value, SE, Degrees, Lower, Upper float64 // Degrees are Inf without clusters; bounds are NaN when there are too few
	Clusters                         [2]int  // that have rows of class 0, and of class 1
	Problem                          string  // why there are no bounds
}

// AUCOverClusters bounds the area when whole clusters (a day, a user) were drawn and not single rows, each bound at level. Clusters may lie in one class,
// as the days of two periods do, or in both. The influences of a cluster are summed (Obuchowski 1997), the variance is that of a difference of two samples
// and its degrees of freedom are Welch's, so that seven days against three hundred count as seven. Without clusters it is
// DeLong's with normal quantiles.
func (b Binary) AUCOverClusters(clusters []int32, level float64) (ClusteredAUC, error) {
	if err := checkLevel(level); err != nil {
		return ClusteredAUC{}, err
	}
	if clusters != nil && len(clusters) != len(b.Labels) {
		return ClusteredAUC{}, problem(-1, "%d clusters for %d rows", len(clusters), len(b.Labels))
	}
	influence, err := b.Influence(ROCAUC)
	if err != nil {
		return ClusteredAUC{}, err
	}
	nan := math.NaN()
	a := ClusteredAUC{nan, nan, math.Inf(1), nan, nan, [2]int{}, "only one class"}
	if influence == nil {
		return a, nil
	}
	if a.Value, err = b.ROCAUC(); err != nil {
		return a, err
	}
	sums := b.sumsOfClusters(clusters, influence)
	var squares [2]float64
	product := 0.0
	for _, s := range sums {
		product += s.of[0] * s.of[1]
		for class := range squares {
			squares[class] += s.of[class] * s.of[class]
			if s.rows[class] > 0 {
				a.Clusters[class]++
			}
		}
	}
	fewest := 2
	if clusters != nil {
		fewest = MinClusters
	}
	if least := min(a.Clusters[0], a.Clusters[1]); least < fewest {
		a.Problem = fmt.Sprintf("%d of a class, at least %d needed", least, fewest)
		return a, nil
	}
	a.bound(squares, product, clusters != nil, level)
	return a, nil
}

// bound sets the bounds from the sums of squares of each class and the sum of their products within clusters.
func (a *ClusteredAUC) bound(squares [2]float64, product float64, clustered bool, level float64) {
	a.Problem = ""
	variance, welch := 2*product, 0.0
	total := 0.0
	for class, n := range a.Clusters {
		own := squares[class] * float64(n) / float64(n-1)
		variance += own
		total += own
		welch += own * own / float64(n-1)
	}
	a.SE = math.Sqrt(max(variance, 0))
	quantile := normalQuantile(level)
	if clustered && welch > 0 {
		a.Degrees = total * total / welch
		quantile = tQuantile(level, a.Degrees)
	}
	a.Lower, a.Upper = max(a.Value-quantile*a.SE, 0), min(a.Value+quantile*a.SE, 1)
}

type clusterSum struct {
	of   [2]float64 // influence of the rows of each class
	rows [2]int
}

func (b Binary) sumsOfClusters(clusters []int32, influence []float64) []clusterSum {
	codes, groups := dense(clusters)
	if clusters == nil {
		groups = len(influence)
	}
	sums := make([]clusterSum, groups)
	for i, v := range influence {
		at := i
		if clusters != nil {
			at = int(codes[i])
		}
		sums[at].of[b.Labels[i]] += v
		sums[at].rows[b.Labels[i]]++
	}
	return sums
}
