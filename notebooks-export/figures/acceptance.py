labelled = arms.assign(name=names(arms), family=families(arms))
grouped = len(labelled) > 6 and labelled["family"].nunique() < len(labelled)
if not grouped:  # as many lines as one panel can tell apart
    labelled["family"] = [row // 6 for row in range(len(labelled))]
panels = [(title, group) for title, group in labelled.groupby("family", sort=False)
          if group["arm"].isin(positions.dropna(subset=["accepted_share"])["arm"]).any()]
columns = min(2, len(panels))
figure, all_axes = plt.subplots(-(-len(panels) // columns), columns, squeeze=False, sharex=True, sharey=True,
                                figsize=(9, 3 * -(-len(panels) // columns)), layout="constrained")
for axes in all_axes.flat[len(panels):]:
    axes.set_visible(False)
for axes, (title, group) in zip(all_axes.flat, panels):
    for i, arm in enumerate(group.itertuples()):
        line = positions[positions["arm"] == arm.arm].dropna(subset=["accepted_share"]).sort_values("position")
        has_k = grouped and "k" in arms and pd.api.types.is_numeric_dtype(arms["k"]) and not pd.isna(arm.k)
        axes.plot(line["position"], line["accepted_share"], marker=MARKERS[i % 8], color=COLOURS[i % 8],
                  zorder=3 - i / 100, label=f"k={arm.k:g}" if has_k else arm.name)
    axes.set_ylim(0, 1.02)
    axes.set_title(title if grouped else "")
    axes.set_xlabel("position of the guess in its pass")
    axes.set_ylabel("share accepted")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize="small")
plt.show()
