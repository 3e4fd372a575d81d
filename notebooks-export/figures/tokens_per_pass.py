shown = arms.assign(family=families(arms), k=pd.to_numeric(arms["k"], errors="coerce"))
shown = shown.dropna(subset=["k", "tokens_per_pass"])
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
for i, (family, group) in enumerate(shown.groupby("family", sort=False)):
    group = group.sort_values("k")
    axes.errorbar(group["k"], group["tokens_per_pass"], yerr=bars(group, "tokens_per_pass"), capsize=3,
                  marker=MARKERS[i % 8], color=COLOURS[i % 8], label=family)
axes.set_ylim(bottom=1)
axes.set_xticks(sorted(shown["k"].unique()))
axes.set_xlabel("k, the longest guess (tokens)")
axes.set_ylabel("tokens per pass (plain decoding = 1)")
axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
