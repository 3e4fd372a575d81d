loaded = (arms["loaded_mb_per_token"] > 0).any()
cost = "loaded_mb_per_token" if loaded else "read_mb_per_token"
shown = arms.assign(name=names(arms), family=families(arms)).dropna(subset=[cost, "tokens_per_pass"])
shown = shown[["name", "family", cost, "tokens_per_pass"]]
if arms["plain_" + cost].notna().any():
    shown.loc[-1] = ["plain decoding", "", arms["plain_" + cost].mean(), 1]
x, y = shown[cost], shown["tokens_per_pass"]
beaten = [((x <= a) & (y >= b) & ((x < a) | (y > b))).any() for a, b in zip(x, y)]
front = shown[[not one for one in beaten]].sort_values(cost)
figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
axes.plot(front[cost], front["tokens_per_pass"], color="grey", linewidth=1)
for i, (family, group) in enumerate(shown.groupby("family", sort=False)):
    axes.scatter(group[cost], group["tokens_per_pass"], marker=MARKERS[i % 8], color=COLOURS[i % 8], zorder=3)
for row in shown.itertuples():
    axes.annotate(row.name, (getattr(row, cost), row.tokens_per_pass), xytext=(5, 4), textcoords="offset points",
                  fontsize="x-small")
axes.set_xlim(left=0)
axes.set_xlabel("experts loaded again (MB per token)" if loaded else "weights read (MB per token)")
axes.set_ylabel("tokens per pass")
plt.show()
