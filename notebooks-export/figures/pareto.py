loaded = (arms["loaded_mb_per_token"] > 0).any()
cost = "loaded_mb_per_token" if loaded else "read_mb_per_token"
shown = arms.assign(name=names(arms), family=families(arms)).dropna(subset=[cost, "tokens_per_pass"])
shown = shown[["name", "family", cost, "tokens_per_pass"]]
if arms["plain_" + cost].notna().any():
    shown.loc[-1] = ["plain decoding", "", arms["plain_" + cost].mean(), 1]
x, y = shown[cost], shown["tokens_per_pass"]
beaten = [((x <= a) & (y >= b) & ((x < a) | (y > b))).any() for a, b in zip(x, y)]
front = shown[[not one for one in beaten]].sort_values(cost)
figure, axes = plt.subplots(figsize=(9, max(5, 0.2 * len(shown))), layout="constrained")
axes.plot(front[cost], front["tokens_per_pass"], color="grey", linewidth=1)
order = list(dict.fromkeys(shown["family"]))
for number, row in enumerate(shown.itertuples(), start=1):
    place, series = (getattr(row, cost), row.tokens_per_pass), order.index(row.family) % 8
    axes.scatter(*place, marker=MARKERS[series], color=COLOURS[series], zorder=3, label=f"{number} {row.name}")
    axes.annotate(number, place, xytext=(5, 4), textcoords="offset points", fontsize="x-small")
axes.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))
axes.set_xlim(left=0)
axes.set_xlabel("experts loaded again (MB per token)" if loaded else "weights read (MB per token)")
axes.set_ylabel("tokens per pass")
plt.show()
