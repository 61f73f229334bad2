import os, sys, random, math
os.environ["WANDB_MODE"]="offline"; os.environ["WANDB_SILENT"]="true"
import wandb
os.makedirs("wandb-test", exist_ok=True)
run = wandb.init(project="flights", name="depth six", dir="wandb-test", group="sweep", job_type="train", tags=["a","b"], notes="first try", config={"lr":0.1,"layers":[64,32],"opt":{"name":"adam","beta":0.9},"flag":True,"none":None,"epochs":5})
for i in range(5):
    run.log({"loss":1.0/(i+1),"val":{"auc":0.5+i/10}, "big": float("nan") if i==2 else i})
run.summary["best"]=0.25
open("art.txt","w").write("hello")
run.save("art.txt")
print("trained")
run.finish()
run = wandb.init(project="flights", name="crash", dir="wandb-test", config={"lr":1})
run.log({"loss":3}, step=7)
run.finish(exit_code=1)
