package repo

import "mlx/internal/fault"

// Backend is a machine or a cluster that runs can use. Nothing in it is secret: credentials are those of the user's own
// ssh configuration, kubeconfig or environment.
type Backend struct {
	Type      string    `yaml:"type" enum:"local ssh slurm ray kubernetes sky" doc:"Kind of backend." need:"true"`
	Host      string    `yaml:"host" doc:"As in your ssh configuration (ssh, slurm); this machine when absent."`
	Hosts     []string  `yaml:"hosts" doc:"Hosts of a run with several nodes (ssh)."`
	Dir       string    `yaml:"dir" doc:"Folder for mlx on the nodes, on a disk that all of them share if there are several; ~/.cache/mlx/node when absent."`
	URL       string    `yaml:"url" doc:"Address of the API (ray)."`
	Context   string    `yaml:"context" doc:"Context of your kubeconfig (kubernetes); the current one when absent."`
	Namespace string    `yaml:"namespace" doc:"Namespace (kubernetes); that of the context when absent."`
	Image     string    `yaml:"image" doc:"Container that commands run in (kubernetes, or Apptainer of slurm)."`
	Queue     string    `yaml:"queue" doc:"Partition (slurm) or local queue of Kueue (kubernetes)."`
	Options   []string  `yaml:"options" doc:"Options handed on word for word: of sbatch (slurm), of sky launch (sky)."`
	Setup     []string  `yaml:"setup" doc:"Lines of shell before every command: module load, activate."`
	Env       Map[Text] `yaml:"env" doc:"Variables of the environment of every command; nothing secret."`
	Pod       Free      `yaml:"pod" doc:"Merged into the pod (kubernetes): tolerations, nodeSelector, volumes, imagePullSecrets."`
	Agent     string    `yaml:"agent" doc:"File or image with the mlx that nodes use, where this one does not run there."`
	Remote    string    `yaml:"remote" doc:"Remote that nodes can reach: data comes from it, results go to it."`
	Region    string    `yaml:"region" doc:"Region of the machines; a run refuses data tagged with another."`
	Spot      bool      `yaml:"spot" doc:"Machines that may be taken away."`
	Secrets   []string  `yaml:"secrets" doc:"Names of variables of your environment that every run gets as secrets."`
	Pending   Duration  `yaml:"pending" doc:"Longest time that a run may wait for its place."`
	Hold      Duration  `yaml:"hold" doc:"How long a node that goes with its files waits for them to be fetched; 1h when absent."`
	Cache     Size      `yaml:"cache" doc:"Most that mlx keeps on a node between runs."`
	Resources Resources `yaml:"resources" doc:"What a run gets when it asks for nothing."`
	Price     Price     `yaml:"price" doc:"For estimates of cost."`
	Power     Power     `yaml:"power" doc:"For estimates of energy."`

	At fault.Position `yaml:"-"`
}

// Resources are what a run needs of a machine.
type Resources struct {
	Nodes   int      `yaml:"nodes" doc:"Number of nodes."`
	Ranks   int      `yaml:"ranks" doc:"Processes on each node; one when absent."`
	GPUs    int      `yaml:"gpus" doc:"Number of GPUs of each node."`
	GPUType string   `yaml:"gpu_type" doc:"Kind of GPU, as the backend calls it."`
	CPUs    int      `yaml:"cpus" doc:"Number of processors of each node."`
	Memory  Size     `yaml:"memory" doc:"Main memory of each node."`
	Time    Duration `yaml:"time" doc:"Longest time a run may take."`
}

// Price is what a backend costs.
type Price struct {
	GPUHour    Money `yaml:"gpu_hour" doc:"Of one GPU for one hour."`
	CPUHour    Money `yaml:"cpu_hour" doc:"Of one processor for one hour."`
	MemoryHour Money `yaml:"memory_hour" doc:"Of one GiB of memory for one hour."`
	NodeHour   Money `yaml:"node_hour" doc:"Of one node for one hour, whatever it has."`
	Spot       Share `yaml:"spot" doc:"Share of the price that a spot machine costs."`
}

// Power is what is known of a backend's use of electricity where no meter can be read.
type Power struct {
	GPUWatts  float64 `yaml:"gpu_watts" doc:"Of one GPU under load."`
	CPUWatts  float64 `yaml:"cpu_watts" doc:"Of one processor under load."`
	PUE       float64 `yaml:"pue" doc:"Power usage effectiveness of the data centre."`
	Intensity float64 `yaml:"intensity" doc:"Grams of CO2 for one kWh of the grid."`
}
