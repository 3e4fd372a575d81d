parts = ["guess", "look", "judge", "keep", "tell"]
shown = arms.assign(name=names(arms), total=sum(arms[part + "_ms_per_pass"].fillna(0) for part in parts))
shown = shown[shown["total"] > 0].reset_index(drop=True)
figure, axes = row_figure(len(shown))
left = pd.Series(0.0, index=shown.index)
for part, colour in zip(parts, COLOURS):
    axes.barh(shown.index, shown[part + "_ms_per_pass"].fillna(0), left=left, color=colour, label=part)
    left += shown[part + "_ms_per_pass"].fillna(0)
axes.plot(1000 / shown["plain_tokens_per_s"], shown.index, "|", color="black", markersize=14, label="a plain pass")
axes.set_yticks(shown.index, shown["name"])
axes.invert_yaxis()
axes.set_xlabel("time of a pass (ms)")
axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
